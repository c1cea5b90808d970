/* SPDX-License-Identifier: MIT */
/* The workloads of forks.c with oneTBB: forks_tbb WORKLOAD tbb WORKERS COUNT. */
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <vector>

static const int ROUNDS = 7, FEW_ROUNDS = 3, SMALL_LOOPS = 1000;
static std::vector<double> out;

static long fib(int n)
{
	if (n < 2)
		return n;
	long a = 0;
	tbb::task_group group;
	group.run([&a, n] { a = fib(n - 1); });
	long b = fib(n - 2);
	group.wait();
	return a + b;
}

static long spawns(int n)
{
	return n < 2 ? 0 : 1 + spawns(n - 1) + spawns(n - 2);
}

static void loop(bool skewed, size_t n)
{
	tbb::parallel_for(tbb::blocked_range<size_t>(0, n), [=](const auto &piece) {
		for (size_t i = piece.begin(); i < piece.end(); i++) {
			if (!skewed) {
				out[i] = out[i] * 0.5 + (double)i;
				continue;
			}
			double x = 0;
			for (size_t k = 0; k < i * 64 / n; k++)
				x += 1.0 / (double)(k + 1);
			out[i] = x;
		}
	});
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	std::string workload = argv[1];
	size_t n = strtoull(argv[4], nullptr, 10);
	bool is_fib = workload == "fib", small = workload == "small";
	out.resize(n + 1);
	tbb::task_arena arena(atoi(argv[3]));
	double best = 1e30;
	int rounds = workload == "skewed" ? FEW_ROUNDS : ROUNDS;
	for (int round = 0; round < rounds; round++) {
		auto start = std::chrono::steady_clock::now();
		arena.execute([&] {
			for (int i = 0; i < (small ? SMALL_LOOPS : 1); i++)
				if (is_fib)
					out[0] = (double)fib((int)n);
				else
					loop(workload == "skewed", n);
		});
		std::chrono::duration<double, std::micro> us =
			std::chrono::steady_clock::now() - start;
		best = us.count() < best ? us.count() : best;
	}
	if (is_fib)
		printf("fib %.3f ns/spawn\n", best * 1e3 / (double)spawns((int)n));
	else
		printf("%s %.3f us\n", argv[1], small ? best / SMALL_LOOPS : best);
	return 0;
}

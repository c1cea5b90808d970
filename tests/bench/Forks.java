/* SPDX-License-Identifier: MIT */
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;
import java.util.stream.IntStream;

/* The workloads of forks.c with a ForkJoinPool: java Forks.java WORKLOAD java WORKERS COUNT. */
public class Forks {
	/* More rounds than in C: the first ones compile. */
	static final int ROUNDS = 15, FEW_ROUNDS = 6, SMALL_LOOPS = 1000;
	static double[] out;

	static class Fib extends RecursiveTask<Long> {
		final int n;

		Fib(int n) {
			this.n = n;
		}

		@Override
		protected Long compute() {
			if (n < 2)
				return (long) n;
			Fib other = new Fib(n - 1);
			other.fork();
			long b = new Fib(n - 2).compute();
			return b + other.join();
		}
	}

	static long spawns(int n) {
		return n < 2 ? 0 : 1 + spawns(n - 1) + spawns(n - 2);
	}

	static void element(boolean skewed, int i, int n) {
		if (!skewed) {
			out[i] = out[i] * 0.5 + i;
			return;
		}
		double x = 0;
		for (long k = 0; k < i * 64L / n; k++)
			x += 1.0 / (k + 1);
		out[i] = x;
	}

	static void loop(boolean skewed, int n) {
		IntStream.range(0, n).parallel().forEach(i -> element(skewed, i, n));
	}

	public static void main(String[] args) throws Exception {
		String workload = args[0];
		int n = Integer.parseInt(args[3]);
		boolean small = workload.equals("small"), fib = workload.equals("fib");
		ForkJoinPool pool = new ForkJoinPool(Integer.parseInt(args[2]));
		out = new double[n + 1];
		double best = 1e30;
		int rounds = workload.equals("skewed") ? FEW_ROUNDS : ROUNDS;
		for (int round = 0; round < rounds; round++) {
			long start = System.nanoTime();
			if (fib)
				out[0] = pool.invoke(new Fib(n));
			else
				pool.submit(() -> {
					for (int i = 0; i < (small ? SMALL_LOOPS : 1); i++)
						loop(workload.equals("skewed"), n);
				}).get();
			best = Math.min(best, (System.nanoTime() - start) / 1e3);
		}
		if (fib)
			System.out.printf("fib %.3f ns/spawn%n", best * 1e3 / spawns(n));
		else
			System.out.printf("%s %.3f us%n", workload, small ? best / SMALL_LOOPS : best);
	}
}

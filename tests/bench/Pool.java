/* SPDX-License-Identifier: MIT */
/* Some workloads of bench.c with a ForkJoinPool: Pool WORKLOAD java WORKERS. Prints as bench.c does. */
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;

final class Pool {
	static final int COUNT = 1000000, TRIPS = 10000, SLEEPS = 10000;
	static final int WINDOW = 256, PRODUCERS = 4, ROUNDS = 5;
	static ForkJoinPool pool;

	static ForkJoinTask<?> submit() {
		return pool.submit(() -> { });
	}

	static void produce(int n) {
		ForkJoinTask<?>[] tasks = new ForkJoinTask<?>[n];
		for (int i = 0; i < n; i++)
			tasks[i] = submit();
		for (ForkJoinTask<?> task : tasks)
			task.join();
	}

	static void windowed() {
		ForkJoinTask<?>[] window = new ForkJoinTask<?>[WINDOW];
		for (int i = 0; i < COUNT + WINDOW; i++) {
			if (i >= WINDOW)
				window[i % WINDOW].join();
			window[i % WINDOW] = i < COUNT ? submit() : null;
		}
	}

	static void producers() throws InterruptedException {
		Thread[] threads = new Thread[PRODUCERS];
		for (int i = 0; i < PRODUCERS; i++) {
			threads[i] = new Thread(() -> produce(COUNT / PRODUCERS));
			threads[i].start();
		}
		for (Thread thread : threads)
			thread.join();
	}

	static void sleepers() {
		ForkJoinTask<?>[] tasks = new ForkJoinTask<?>[SLEEPS];
		for (int i = 0; i < SLEEPS; i++)
			tasks[i] = pool.submit(() -> {
				Thread.sleep(1);
				return null;
			});
		for (ForkJoinTask<?> task : tasks)
			task.join();
	}

	/** The time of each trip, in order of size. */
	static double[] trips() {
		double[] took = new double[TRIPS];
		for (int i = 0; i < TRIPS; i++) {
			long start = System.nanoTime();
			submit().join();
			took[i] = (System.nanoTime() - start) / 1e3;
		}
		Arrays.sort(took);
		return took;
	}

	static double nanoseconds(String workload) throws InterruptedException {
		long start = System.nanoTime();
		switch (workload) {
		case "w1" -> produce(COUNT);
		case "w1w" -> windowed();
		case "w6" -> sleepers();
		case "w7" -> producers();
		default -> throw new IllegalArgumentException(workload);
		}
		return System.nanoTime() - start;
	}

	static void print(String name, double value, String unit) {
		System.out.printf(Locale.ROOT, "%s %.2f %s%n", name, value, unit);
	}

	/** The median of some rounds, after as many that compile. */
	static double later(String workload) throws InterruptedException {
		double[] took = new double[ROUNDS];
		for (int round = 0; round < 2 * ROUNDS; round++)
			took[round % ROUNDS] = nanoseconds(workload);
		Arrays.sort(took);
		return took[ROUNDS / 2];
	}

	public static void main(String[] arguments) throws InterruptedException {
		String workload = arguments[0];
		pool = new ForkJoinPool(Integer.parseInt(arguments[2]));
		switch (workload) {
		case "w3n" -> {
			trips();
			double[] took = trips();
			print("w3n-p50", took[TRIPS / 2], "us");
			print("w3n-p99.9", took[TRIPS - 1 - TRIPS / 1000], "us");
		}
		case "w6" -> print("w6", later(workload) / 1e6, "ms");
		case "w1w" -> print("w1w", later(workload) / COUNT, "ns/task");
		default -> print(workload + "-again", later(workload) / COUNT, "ns/task");
		}
	}
}

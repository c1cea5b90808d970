/* SPDX-License-Identifier: MIT */
/* Java's CompletableFuture for tests/bench/run: Compose link|all COUNT. Prints as compose.c does. */
import java.util.concurrent.CompletableFuture;

final class Compose {
	/** A chain of n stages over an open future, then its completion. */
	static double link(int n) {
		long start = System.nanoTime();
		CompletableFuture<Long> root = new CompletableFuture<>(), last = root;
		for (int i = 0; i < n; i++)
			last = last.thenApply(x -> x + 1);
		root.complete(0L);
		if (last.join() != n)
			throw new AssertionError();
		return (double) (System.nanoTime() - start) / n;
	}

	/** One future for n open ones, which then end. */
	static double all(int n) {
		CompletableFuture<?>[] f = new CompletableFuture<?>[n];
		for (int i = 0; i < n; i++)
			f[i] = new CompletableFuture<Long>();
		long start = System.nanoTime();
		CompletableFuture<Void> all = CompletableFuture.allOf(f);
		for (CompletableFuture<?> one : f)
			one.complete(null);
		all.join();
		return (double) (System.nanoTime() - start) / n;
	}

	public static void main(String[] arguments) {
		int n = Integer.parseInt(arguments[1]);
		double time = 0;
		/* The last round counts: by then the code is compiled. */
		for (int round = 0; round < 20; round++)
			time = arguments[0].equals("link") ? link(n) : all(n);
		System.out.printf("%s %.2f ns%n", arguments[0], time);
	}
}

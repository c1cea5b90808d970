/* SPDX-License-Identifier: MIT */
/*
 * A parallel loop: the Mandelbrot set, row by row. Rows through the black middle cost many times
 * what those at the edge cost; creel_parallel_for() balances that. The same body runs on threads,
 * on processes and on the caller alone: what it needs stands in memory that all of them see.
 *
 *	mandelbrot [--workers N] [--processes | --inline] [--size WIDTHxHEIGHT] [FILE]
 */
#include <creel/creel.h>
#include <getopt.h>
#include <math.h>
#include <png.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, STEPS = 800, BAR = 40, SIZE_MOST = 16384, EXIT_USAGE = 2 };

struct picture {
	int width, height;
	atomic_int rows; /* drawn so far */
	unsigned char pixels[];
};

static void colour(int steps, unsigned char *pixel)
{
	static const double phase[CHANNELS] = {0.0, 0.6, 1.2};
	for (int c = 0; c < CHANNELS; c++)
		pixel[c] = steps == STEPS
				   ? 0
				   : (unsigned char)(127.5 - 127.5 * cos(0.12 * steps + phase[c]));
}

static int escape(double cr, double ci)
{
	double zr = 0, zi = 0;
	int i = 0;
	while (i < STEPS && zr * zr + zi * zi <= 4) {
		double r = zr * zr - zi * zi + cr;
		zi = 2 * zr * zi + ci;
		zr = r;
		i++;
	}
	return i;
}

/* One line, written at once: whoever draws a row may be another process. */
static void show_progress(const struct picture *p, int rows)
{
	char line[BAR + 32];
	int full = rows * BAR / p->height, before = (rows - 1) * BAR / p->height;
	if (full == before && rows != 1)
		return;
	memset(line, '.', sizeof line);
	memset(line, '#', (size_t)full);
	fprintf(stderr, "\r[%.*s] %3d %%", BAR, line, full * 100 / BAR);
}

/* The body of the loop: some rows. */
static int draw(creel_task *task, size_t begin, size_t end, void *context)
{
	struct picture *p = context;
	double scale = 3.0 / p->width;
	(void)task;
	for (size_t y = begin; y < end; y++) {
		unsigned char *row = p->pixels + y * (size_t)p->width * CHANNELS;
		for (int x = 0; x < p->width; x++)
			colour(escape((x - p->width * 0.72) * scale,
				      ((double)y - p->height / 2.0) * scale),
			       row + x * CHANNELS);
		show_progress(p, atomic_fetch_add(&p->rows, 1) + 1);
	}
	return 0;
}

static int write_png(const char *path, const struct picture *p)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = (png_uint_32)p->width,
			   .height = (png_uint_32)p->height,
			   .format = PNG_FORMAT_RGB};
	if (png_image_write_to_file(&image, path, 0, p->pixels, 0, NULL))
		return 0;
	fprintf(stderr, "mandelbrot: %s: %s\n", path, image.message);
	return -EIO;
}

struct options {
	const char *path;
	int workers; /* 0: one a CPU */
	bool processes, in_line;
	int width, height;
};

static _Noreturn void usage(void)
{
	fputs("Usage: mandelbrot [--workers N] [--processes | --inline] [--size WIDTHxHEIGHT] "
	      "[FILE]\n"
	      "Draws a picture (1800x1200) on N threads or processes, by default one a CPU, or on\n"
	      "the caller alone, and writes it to FILE (mandelbrot.png).\n",
	      stderr);
	exit(EXIT_USAGE);
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
					      {"processes", no_argument, NULL, 'p'},
					      {"inline", no_argument, NULL, 'i'},
					      {"size", required_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	struct options o = {.path = "mandelbrot.png", .width = 1800, .height = 1200};
	char rest;
	int c;
	while ((c = getopt_long(argc, argv, "w:pis:", known, NULL)) != -1) {
		if (c == 'w' && sscanf(optarg, "%4d%c", &o.workers, &rest) == 1 && o.workers > 0)
			continue;
		else if (c == 's' && sscanf(optarg, "%5dx%5d%c", &o.width, &o.height, &rest) == 2 &&
			 o.width > 0 && o.width <= SIZE_MOST && o.height > 0 &&
			 o.height <= SIZE_MOST)
			continue;
		else if (c == 'p')
			o.processes = true;
		else if (c == 'i')
			o.in_line = true;
		else
			usage();
	}
	if (optind < argc)
		o.path = argv[optind++];
	if (optind < argc || (o.processes && o.in_line))
		usage();
	return o;
}

static creel_executor *make_pool(const struct options *o)
{
	if (o->in_line)
		return creel_inline_new();
	if (o->processes)
		return creel_process_pool_new(
			&(creel_process_pool_options){.max_workers = o->workers});
	return creel_thread_pool_new(&(creel_thread_pool_options){.max_workers = o->workers});
}

int main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	creel_executor *pool = make_pool(&o);
	size_t size = (size_t)o.width * (size_t)o.height * CHANNELS;
	struct picture *p = creel_shared_alloc(pool, sizeof *p + size);
	int rc = -ENOMEM;
	if (p) {
		*p = (struct picture){.width = o.width, .height = o.height};
		rc = creel_parallel_for(pool, 0, (size_t)o.height, draw, p, NULL);
		fputc('\n', stderr);
	}
	if (rc) {
		const creel_error *error = creel_executor_error(pool);
		fprintf(stderr, "mandelbrot: %s\n", error ? error->message : creel_code_name(rc));
	} else {
		rc = write_png(o.path, p);
	}
	if (rc == 0)
		printf("%s: %d x %d pixels\n", o.path, o.width, o.height);
	creel_shared_free(pool, p); /* before the pool goes */
	creel_executor_close(pool);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: MIT */
/*
 * A large picture on which several processes work in place. It lies in memory that the host and all
 * workers see at one address (creel_shared_alloc()): tasks get a pointer to it and the part that is
 * theirs, and leave no result, because the result is where it belongs already. Nothing is copied.
 *
 * Three passes: the Mandelbrot set is drawn, row by row; then it is blurred towards the upper and
 * lower edge, as in a photograph of something small: first along the rows, then along the columns.
 * A pass needs all of the one before, so each is a map that is taken to its end.
 *
 *	shared_image [--workers N | --inline] [--size WIDTHxHEIGHT] [FILE]
 */
#include <creel/creel.h>
#include <creel/typed.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANNELS = 3, BANDS = 64, STEPS = 1200, SIZE_MOST = 16384, EXIT_USAGE = 2 };

typedef unsigned char pixel[CHANNELS];

/* One part of one pass: a pointer into shared memory may travel in an argument. */
struct part {
	pixel *pixels;
	int width, height;
	int begin, end; /* rows, or columns for the last pass */
};

static void colour(double smooth, unsigned char *ret_pixel)
{
	static const double phase[CHANNELS] = {3.6, 4.1, 4.9}, pace[CHANNELS] = {1.6, 1.35, 1.1};
	double t = sqrt(smooth);
	for (int c = 0; c < CHANNELS; c++)
		ret_pixel[c] = (unsigned char)(127.5 + 127.5 * sin(phase[c] + pace[c] * t * 0.7));
}

/* How soon the point leaves, in steps and fractions of one; negative: it stays. */
static double escape(double cr, double ci)
{
	double zr = 0, zi = 0;
	for (int i = 0; i < STEPS; i++) {
		double r = zr * zr, j = zi * zi;
		if (r + j > 256)
			return i + 1 - log2(log2(r + j) / 2);
		zi = 2 * zr * zi + ci;
		zr = r - j + cr;
	}
	return -1;
}

static int draw(creel_task *task, const struct part *part, pid_t *ret_pid)
{
	const double centre_r = -0.743643135, centre_i = 0.131825963, across = 0.0042;
	double scale = across / part->width;
	(void)task;
	for (int y = part->begin; y < part->end; y++) {
		pixel *row = part->pixels + (size_t)y * (size_t)part->width;
		for (int x = 0; x < part->width; x++) {
			double smooth = escape(centre_r + (x - part->width / 2) * scale,
					       centre_i + (y - part->height / 2) * scale);
			if (smooth < 0)
				memset(row[x], 0, CHANNELS);
			else
				colour(smooth, row[x]);
		}
	}
	*ret_pid = getpid();
	return 0;
}
CREEL_TYPED_TASK(draw, pid_t, struct part);

/* How far the blur reaches in that row: nothing in the middle, a sixtieth of the height
 * at the edges. */
static int radius_at(const struct part *part, int y)
{
	int off = abs(2 * y - part->height) * 100 / part->height - 30;
	return off > 0 ? part->height * off / (60 * 70) : 0;
}

/* line[i] becomes the mean of what is up to radius(i) around it; stride is in pixels. */
static void blur_line(const struct part *part, pixel *line, int n, size_t stride, int row,
		      uint32_t (*sums)[CHANNELS])
{
	for (int i = 0; i < n; i++)
		for (int c = 0; c < CHANNELS; c++)
			sums[i + 1][c] = sums[i][c] + line[(size_t)i * stride][c];
	for (int i = 0; i < n; i++) {
		int radius = radius_at(part, row < 0 ? i : row);
		int from = i > radius ? i - radius : 0;
		int to = i + radius < n ? i + radius + 1 : n;
		for (int c = 0; c < CHANNELS; c++)
			line[(size_t)i * stride][c] =
				(unsigned char)((sums[to][c] - sums[from][c]) /
						(uint32_t)(to - from));
	}
}

static int blur_rows(creel_task *task, const struct part *part, pid_t *ret_pid)
{
	uint32_t(*sums)[CHANNELS] = calloc((size_t)part->width + 1, sizeof *sums);
	if (!sums)
		return creel_fail(task, -ENOMEM, "no memory for a row");
	for (int y = part->begin; y < part->end; y++)
		blur_line(part, part->pixels + (size_t)y * (size_t)part->width, part->width, 1, y,
			  sums);
	free(sums);
	*ret_pid = getpid();
	return 0;
}
CREEL_TYPED_TASK(blur_rows, pid_t, struct part);

static int blur_columns(creel_task *task, const struct part *part, pid_t *ret_pid)
{
	uint32_t(*sums)[CHANNELS] = calloc((size_t)part->height + 1, sizeof *sums);
	if (!sums)
		return creel_fail(task, -ENOMEM, "no memory for a column");
	for (int x = part->begin; x < part->end; x++)
		blur_line(part, part->pixels + x, part->height, (size_t)part->width, -1, sums);
	free(sums);
	*ret_pid = getpid();
	return 0;
}
CREEL_TYPED_TASK(blur_columns, pid_t, struct part);

/* The processes that did something. */
struct crew {
	pid_t pids[BANDS];
	size_t n;
};

static void note(struct crew *crew, pid_t pid)
{
	size_t i = 0;
	while (i < crew->n && crew->pids[i] != pid)
		i++;
	if (i == crew->n && i < BANDS)
		crew->pids[crew->n++] = pid;
}

/* One pass: the picture is cut into parts, of rows or of columns. 0 when all are done. */
static int run_pass(creel_executor *pool, const char *name, creel_fn fn, const struct part *whole,
		    int length, struct crew *crew)
{
	struct part parts[BANDS];
	for (int i = 0; i < BANDS; i++) {
		parts[i] = *whole;
		parts[i].begin = length * i / BANDS;
		parts[i].end = length * (i + 1) / BANDS;
	}
	const creel_submit_options named = {.name = name};
	const creel_map_options options = {.flags = CREEL_AS_COMPLETED, .submit = &named};
	creel_mapping *map = creel_map(pool, fn, parts, sizeof parts[0], BANDS, &options);
	creel_future *f = NULL;
	int rc;
	while ((rc = creel_map_next(map, CREEL_FOREVER, &f, NULL)) == 0) {
		pid_t pid;
		creel_future_result(f, CREEL_NOW, &pid, sizeof pid);
		note(crew, pid);
		creel_future_unref(f);
		f = NULL;
	}
	if (rc != CREEL_EMPTY)
		fprintf(stderr, "shared_image: %s: %s\n", name, creel_future_message(f, rc));
	creel_future_unref(f);
	creel_map_end(map);
	return rc == CREEL_EMPTY ? 0 : rc;
}

static int make_picture(creel_executor *pool, const struct part *whole, struct crew *crew)
{
	int rc = run_pass(pool, "draw", draw_creel_fn, whole, whole->height, crew);
	if (rc == 0)
		rc = run_pass(pool, "blur rows", blur_rows_creel_fn, whole, whole->height, crew);
	if (rc == 0)
		rc = run_pass(pool, "blur columns", blur_columns_creel_fn, whole, whole->width,
			      crew);
	return rc;
}

/* libpng reads the rows where the workers have left them. */
static int write_png(const char *path, const struct part *whole)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
			   .width = (png_uint_32)whole->width,
			   .height = (png_uint_32)whole->height,
			   .format = PNG_FORMAT_RGB};
	if (png_image_write_to_file(&image, path, 0, whole->pixels, 0, NULL))
		return 0;
	fprintf(stderr, "shared_image: %s: %s\n", path, image.message);
	return -EIO;
}

struct options {
	const char *path;
	int workers; /* 0: one a CPU */
	bool in_line;
	int width, height;
};

static _Noreturn void usage(void)
{
	fputs("Usage: shared_image [--workers N | --inline] [--size WIDTHxHEIGHT] [FILE]\n"
	      "Draws a picture (3840x2160) on N processes, by default one a CPU, or with --inline\n"
	      "in this one, and writes it to FILE (shared_image.png).\n",
	      stderr);
	exit(EXIT_USAGE);
}

static struct options parse_options(int argc, char **argv)
{
	static const struct option known[] = {{"workers", required_argument, NULL, 'w'},
					      {"inline", no_argument, NULL, 'i'},
					      {"size", required_argument, NULL, 's'},
					      {NULL, 0, NULL, 0}};
	struct options o = {.path = "shared_image.png", .width = 3840, .height = 2160};
	char rest;
	int c;
	while ((c = getopt_long(argc, argv, "w:is:", known, NULL)) != -1) {
		if (c == 'w' && sscanf(optarg, "%4d%c", &o.workers, &rest) == 1 && o.workers > 0)
			continue;
		else if (c == 's' && sscanf(optarg, "%5dx%5d%c", &o.width, &o.height, &rest) == 2 &&
			 o.width > 0 && o.width <= SIZE_MOST && o.height > 0 &&
			 o.height <= SIZE_MOST)
			continue;
		else if (c == 'i')
			o.in_line = true;
		else
			usage();
	}
	if (optind < argc)
		o.path = argv[optind++];
	if (optind < argc)
		usage();
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse_options(argc, argv);
	creel_executor *pool = o.in_line ? creel_inline_new()
					 : creel_process_pool_new(&(creel_process_pool_options){
						   .max_workers = o.workers, .name = "image"});
	struct part whole = {.width = o.width, .height = o.height};
	whole.pixels = creel_shared_alloc(pool, (size_t)o.width * (size_t)o.height * sizeof(pixel));
	int rc = -ENOMEM;
	if (!whole.pixels) {
		const creel_error *error = creel_executor_error(pool);
		fprintf(stderr, "shared_image: %s\n",
			error ? error->message : "no memory for the picture");
	} else {
		struct crew crew = {.n = 0};
		rc = make_picture(pool, &whole, &crew);
		if (rc == 0)
			rc = write_png(o.path, &whole);
		if (rc == 0)
			printf("%s: %d x %d pixels by %zu process%s\n", o.path, o.width, o.height,
			       crew.n, crew.n == 1 ? "" : "es");
	}
	creel_shared_free(pool, whole.pixels); /* before the pool goes */
	creel_executor_close(pool);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

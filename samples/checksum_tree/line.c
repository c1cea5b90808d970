/* SPDX-License-Identifier: MIT */
/* A checksum, as sha256sum prints it. */
#include "line.h"
#include <errno.h>
#include <stdbool.h>
#include <string.h>

int print_checksum(FILE *out, const struct digest *digest, const char *path)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2 * SHA256_SIZE + 1] = "";
	for (size_t i = 0; i < SHA256_SIZE; i++) {
		hex[2 * i] = digits[digest->sha256[i] >> 4];
		hex[2 * i + 1] = digits[digest->sha256[i] & 15];
	}
	errno = 0;
	bool plain = !path[strcspn(path, "\\\n\r")];
	fprintf(out, "%s%s  ", plain ? "" : "\\", hex);
	if (plain)
		fputs(path, out);
	for (; !plain && *path; path++) {
		if (*path == '\\')
			fputs("\\\\", out);
		else if (*path == '\n')
			fputs("\\n", out);
		else if (*path == '\r')
			fputs("\\r", out);
		else
			putc(*path, out);
	}
	putc('\n', out);
	return !ferror(out) ? 0 : errno ? -errno : -EIO;
}

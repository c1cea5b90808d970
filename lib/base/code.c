/* SPDX-License-Identifier: MIT */
/* Names of return codes. The wording of strerror() depends on the locale, and strerrorname_np() is
 * glibc's alone: the codes that the library itself returns are named here, the rest where it can be
 * had. */
#include "base/code.h"
#include <creel/base.h>
#include <string.h>

#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 32)
#define NAMES_OF_GLIBC
#endif
#endif

#define NAME(code)                                                                                 \
	case -(code):                                                                              \
		return #code

const char *creel_code_name(int code)
{
	switch (code) {
	case 0:
		return "0";
	case CREEL_EFAILED:
		return "CREEL_EFAILED";
	case CREEL_EMPTY:
		return "CREEL_EMPTY";
	case CREEL_BUSY:
		return "CREEL_BUSY";
	case CREEL_FULL:
		return "CREEL_FULL";
	case CREEL_WOKEN:
		return "CREEL_WOKEN";
		NAME(EAGAIN);
		NAME(EALREADY);
		NAME(EBUSY);
		NAME(ECANCELED);
		NAME(EDEADLK);
		NAME(EDOM);
		NAME(EBADF);
		NAME(EBADMSG);
		NAME(ECHILD);
		NAME(ECONNREFUSED);
		NAME(ECONNRESET);
		NAME(EFBIG);
		NAME(EHOSTUNREACH);
		NAME(EILSEQ);
		NAME(EISDIR);
		NAME(ENODEV);
		NAME(ENOTDIR);
		NAME(ENOTEMPTY);
		NAME(ENXIO);
		NAME(EOVERFLOW);
		NAME(EPROTO);
		NAME(EROFS);
		NAME(ESRCH);
		NAME(EXDEV);
		NAME(EEXIST);
		NAME(EFAULT);
		NAME(EINTR);
		NAME(EINVAL);
		NAME(EIO);
		NAME(EMFILE);
		NAME(EMSGSIZE);
		NAME(ENFILE);
		NAME(ENOENT);
		NAME(ENOEXEC);
		NAME(ENOMEM);
		NAME(ENOSPC);
		NAME(ENOSYS);
		NAME(ENOTSUP);
		NAME(EPERM);
		NAME(EACCES);
		NAME(EPIPE);
		NAME(ERANGE);
		NAME(ESHUTDOWN);
#if ETIME != ETIMEDOUT
		NAME(ETIME);
#endif
		NAME(ETIMEDOUT);
	default:
#ifdef NAMES_OF_GLIBC
		if (code < 0 && code > CREEL_EFAILED && strerrorname_np(-code))
			return strerrorname_np(-code);
#endif
		return code < 0 && code > CREEL_EFAILED ? "errno" : "unknown";
	}
}

/* SPDX-License-Identifier: MIT */
/* Descriptors of the library's own. */
#ifndef CREEL__BASE_FD_H
#define CREEL__BASE_FD_H

/*
 * Moves a descriptor that was just made out of 0, 1 and 2, close-on-exec. A host may have closed
 * those: then the system hands them out, and what somebody prints goes there.
 * Returns fd or a new number; if fd is negative or there is no other number, -1 and errno.
 */
int creel__fd_raise(int fd);

#endif

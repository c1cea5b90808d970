/* SPDX-License-Identifier: MIT */
/* The whole public interface of creel, except the typed layer (creel/typed.h). */
#ifndef CREEL_CREEL_H
#define CREEL_CREEL_H

#include <creel/base.h>
#include <creel/channel.h>
#include <creel/clock.h>
#include <creel/combine.h>
#include <creel/driven.h>
#include <creel/error.h>
#include <creel/executor.h>
#include <creel/future.h>
#include <creel/jobs.h>
#include <creel/limit.h>
#include <creel/loops.h>
#include <creel/map.h>
#include <creel/pools.h>
#include <creel/promise.h>
#include <creel/queue.h>
#include <creel/retry.h>
#include <creel/scope.h>
#include <creel/shared.h>
#include <creel/submit.h>
#include <creel/task.h>
#include <creel/then.h>
#include <creel/token.h>
#include <creel/wait.h>
#include <creel/watch.h>

/* The codes that calls return are -errno. */
#include <errno.h>

#endif

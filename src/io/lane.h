/*
 * lane.h: one direction of a session: source → store → drain
 */
#ifndef LANE_H
#define LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/store.h"
#include "net/channel.h"

/* What a lane waits for after it has moved what it could. */
enum lane_state {
	LANE_INPUT,		/* its source has nothing now */
	LANE_ROOM,		/* its drain takes nothing now */
	LANE_PAUSE,		/* a line went out and the interval runs */
	LANE_DONE,		/* the source has ended and all is drained */
	LANE_SOURCE_FAILED,	/* errno says why; all before it is drained */
	LANE_DRAIN_FAILED,	/* errno says why; the store keeps the rest */
};

struct lane {
	struct channel *source, *drain;
	struct store store;
	enum lane_state state;
	bool ended;		/* nothing more is read from the source */
	bool discard;		/* read, but do not write */
	bool by_line;		/* stop after each line (LANE_PAUSE) */
	unsigned long reads_left;	/* ends after so many; 0: no limit */
	bool counted_out;	/* it ended because they were used up */
	uint64_t read, written;	/* bytes */
	bool stalled;		/* the drain stopped the last fill */
	bool drain_failed;	/* that is where `error` came from */
	int error;		/* of LANE_SOURCE_FAILED, _DRAIN_FAILED */
};

/*
 * Moves what can be moved without waiting and returns (and remembers) what
 * the lane waits for. A lane that is done or failed stays so.
 */
enum lane_state lane_run(struct lane *lane);

/* Nothing more is read; what the store holds will still be drained. */
void lane_cut(struct lane *lane);

/* Neither read nor written any more; what was held is lost. */
void lane_abandon(struct lane *lane);

/* Whether nothing will move on this lane again. */
bool lane_over(const struct lane *lane);

#endif

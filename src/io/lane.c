/*
 * lane.c: moves bytes from a source through a store into a drain
 */
#include "io/lane.h"

#include <errno.h>

/* Full stores moved before the other direction gets a turn. */
#define LANE_TURNS 8

bool
lane_over(const struct lane *lane)
{
	return lane->state == LANE_DONE ||
	    lane->state == LANE_SOURCE_FAILED ||
	    lane->state == LANE_DRAIN_FAILED;
}

void
lane_cut(struct lane *lane)
{
	lane->ended = true;
	if (!lane_over(lane) && store_held(&lane->store) == 0)
		lane->state = LANE_DONE;
}

void
lane_abandon(struct lane *lane)
{
	store_discard(&lane->store);
	lane_cut(lane);
}

/* Drains the store; LANE_DONE here means only that it is empty. */
static enum lane_state
lane_empty_store(struct lane *lane)
{
	while (store_held(&lane->store) > 0) {
		size_t most = lane->by_line ? store_line(&lane->store) :
		    store_held(&lane->store);
		size_t put;

		switch (store_drain(&lane->store, lane->drain, most, &put)) {
		case MOVED:
			lane->written += put;
			if (lane->by_line && put == most &&
			    lane->store.data[lane->store.start - 1] == '\n')
				return LANE_PAUSE;
			break;
		case END:	/* a write of 0 bytes: no progress */
		case AGAIN:
			return LANE_ROOM;
		case FAIL:
			lane->error = errno;
			return LANE_DRAIN_FAILED;
		}
	}
	return LANE_DONE;
}

/*
 * Fills the empty store, or notes that the source has ended. Returns whether
 * the source may have more right now.
 */
static bool
lane_fill_store(struct lane *lane)
{
	struct filled filled;
	enum moved moved = store_fill(&lane->store, lane->source, lane->drain,
				      &filled);

	lane->read += filled.got;
	lane->written += filled.put;
	if (moved == FAIL) {
		lane->error = errno;
		lane->drain_failed = filled.drain;
	}
	if (moved == FAIL || moved == END) {
		lane->ended = true;
		return false;
	}
	lane->stalled = filled.drain;
	if (moved == AGAIN)
		return false;
	if (lane->reads_left > 0 && --lane->reads_left == 0)
		lane->ended = lane->counted_out = true;
	if (lane->discard)
		store_discard(&lane->store);
	return filled.more;
}

/* What a lane waits for, or how it ended, whose store is empty. */
static enum lane_state
lane_emptied(const struct lane *lane)
{
	if (!lane->ended)
		return lane->stalled ? LANE_ROOM : LANE_INPUT;
	if (lane->error == 0)
		return LANE_DONE;
	return lane->drain_failed ? LANE_DRAIN_FAILED : LANE_SOURCE_FAILED;
}

enum lane_state
lane_run(struct lane *lane)
{
	bool more = true;
	unsigned turn;

	for (turn = 0; !lane_over(lane); turn++) {
		lane->state = lane_empty_store(lane);
		if (lane->state != LANE_DONE)
			break;
		lane->state = lane_emptied(lane);
		if (lane->ended || !more || turn == LANE_TURNS)
			break;
		more = lane_fill_store(lane);
	}
	return lane->state;
}

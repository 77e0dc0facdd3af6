/*
 * lane.c: moves bytes from a source through a store into a drain
 */
#include "lane.h"

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
	size_t got;
	bool full;

	switch (store_fill(&lane->store, lane->source, &got, &full)) {
	case AGAIN:
		return false;
	case FAIL:
		lane->error = errno;
		lane->ended = true;
		return false;
	case END:
		lane->ended = true;
		return false;
	case MOVED:
		break;
	}
	lane->read += got;
	if (lane->reads_left > 0 && --lane->reads_left == 0)
		lane->ended = lane->counted_out = true;
	if (lane->discard)
		store_discard(&lane->store);
	return full;
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
		if (lane->ended && lane->error != 0)
			lane->state = LANE_SOURCE_FAILED;
		else if (!lane->ended)
			lane->state = LANE_INPUT;
		/* A read that did not fill the store took all there was. */
		if (lane->ended || !more || turn == LANE_TURNS)
			break;
		more = lane_fill_store(lane);
	}
	return lane->state;
}

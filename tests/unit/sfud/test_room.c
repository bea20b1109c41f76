/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/room/room.h"

#include "sim/world.h"
#include "t.h"

static void begin(struct world *w, uint32_t members, uint32_t rooms)
{
	OK(world_init(w, &(struct world_conf){ .seed = 3, .max_members = members, .max_rooms = rooms, .solo_kick = DUR_SEC(60) }));
}

static int join(struct world *w, const char *room, uint64_t sub)
{
	struct handle h;

	return sfu_join(&w->s, room, sub, w->now, &h);
}

/* A room lives as long as its members; a bound reached is ERR_LIMIT and leaves nothing behind. */
static void bounds_refuse_and_rooms_follow_their_members(void)
{
	static const struct {
		const char *row, *room;
		uint64_t sub;
		int want;
		uint32_t members, rooms;
	} step[] = {
		{ "first: ", "a", 1, 0, 1, 1 },        { "same room: ", "a", 2, 0, 2, 1 },
		{ "second room: ", "b", 1, 0, 3, 2 },  { "third room: ", "c", 1, ERR_LIMIT, 3, 2 },
		{ "fourth: ", "b", 2, 0, 4, 2 },       { "fifth: ", "b", 3, ERR_LIMIT, 4, 2 },
		{ "one of the four: ", "b", 2, 0, 4, 2 },
	};
	struct world w;

	begin(&w, 4, 2);
	for (size_t i = 0; i < ARRAY_LEN(step); i++) {
		t_row = step[i].row;
		EQ(join(&w, step[i].room, step[i].sub), step[i].want);
		EQ(w.s.members.live, step[i].members);
		EQ(w.s.rooms.live, step[i].rooms);
	}
	EQ(w.s.stats.replaced, 1);
	sfu_shutdown(&w.s, w.now);
	EQ(w.s.members.live + w.s.rooms.live, 0);
	world_done(&w, 0);
}

/* A refused member does not leave a new room behind. */
static void no_member_no_room(void)
{
	struct world w;

	begin(&w, 1, 4);
	EQ(join(&w, "a", 1), 0);
	EQ(join(&w, "b", 1), ERR_LIMIT);
	EQ(w.s.rooms.live, 1);
	world_done(&w, 0);
}

/* A room's name has 255 bytes at most. */
static void a_name_too_long_is_refused(void)
{
	char name[ROOM_NAME_MAX + 1];
	struct world w;

	begin(&w, 4, 4);
	memset(name, 'r', sizeof(name));
	name[ROOM_NAME_MAX] = '\0';
	EQ(join(&w, name, 1), ERR_LIMIT);
	name[ROOM_NAME_MAX - 1] = '\0';
	EQ(join(&w, name, 1), 0);
	world_done(&w, 0);
}

/* The solo clock runs while exactly one member is here; company stops it, loneliness starts it anew. */
static void the_solo_clock_counts_exactly_one(void)
{
	struct world w;
	struct handle h;

	begin(&w, 4, 4);
	EQ(join(&w, "a", 1), 0);
	EQ(sfu_next(&w.s).us, mono_add(w.now, OFFER_WAIT).us);
	EQ(dq_next_at(&w.s.rooms_due).us, mono_add(w.now, DUR_SEC(60)).us);
	EQ(sfu_join(&w.s, "a", 2, w.now, &h), 0);
	OK(mono_is_never(dq_next_at(&w.s.rooms_due)));
	world_pass(&w, DUR_SEC(5));
	member_end(&w.s, member_get(&w.s, h), SIG_CLOSE_ENDED, "session ended", w.now);
	EQ(dq_next_at(&w.s.rooms_due).us, mono_add(w.now, DUR_SEC(60)).us);
	world_done(&w, 0);
}

T_MAIN(T(bounds_refuse_and_rooms_follow_their_members), T(no_member_no_room), T(a_name_too_long_is_refused),
       T(the_solo_clock_counts_exactly_one))

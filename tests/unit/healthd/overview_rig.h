/* SPDX-License-Identifier: AGPL-3.0-only */
/* A node where all is well, for the tests of what judges and shows it. */
#ifndef TESTS_OVERVIEW_RIG_H
#define TESTS_OVERVIEW_RIG_H

#include "healthd/verdict/overview.h"
#include "t.h"

#define RIG_NOW ((mono_t){ DUR_SEC(200000) })
#define RIG_WALL ((wall_t){ UINT64_C(1795440000) * US_PER_SEC }) /* 2026-11-23T13:20:00Z */
#define RIG_DAY DUR_SEC(86400)

static struct overview rig;

static inline void rig_probe(int i, const char *name, uint64_t us)
{
	struct ov_probe *p = &rig.probe[i];

	*p = (struct ov_probe){
		.known = true, .ok = true, .answered = true, .us = us, .at = RIG_WALL, .good = 9, .bad = 1, .mode = "http"};
	snprintf(p->name, sizeof(p->name), "%s", name);
	history_add(&p->rtt, RIG_NOW, us);
}

static inline void rig_fail(int i, const char *reason, const char *cause, const char *fix)
{
	struct ov_probe *p = &rig.probe[i];

	p->ok = false;
	p->answered = strcmp(reason, "status") == 0;
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
	snprintf(p->cause, sizeof(p->cause), "%s", cause);
	snprintf(p->fix, sizeof(p->fix), "%s", fix);
}

static inline void rig_well(void)
{
	memset(&rig, 0, sizeof(rig));
	snprintf(rig.id, sizeof(rig.id), "acme-0a1b");
	snprintf(rig.domain, sizeof(rig.domain), "call.acme.example");
	snprintf(rig.version, sizeof(rig.version), "0.1.0");
	rig_probe(PROBED_FRONT, "front", 18000);
	rig_probe(PROBED_TURNS, "turns", 6000);
	rig_probe(PROBED_TURN, "turn", 3000);
	rig_probe(PROBED_SFU, "sfu", 4000);
	rig_probe(PROBED_CHANNEL, "ch2", 12000);
	rig_probe(PROBED_CHANNEL + 1, "ch1", 48000);
	rig.probe[PROBED_FRONT].certificate_until = (wall_t){ RIG_WALL.us + 71 * RIG_DAY };
	for (int i = 0; i < DAEMON_MAX_; i++) {
		rig.daemon[i].life = LIFE_ALIVE;
		rig.daemon[i].uptime = 7200;
		if (i != DAEMON_FRONT)
			snprintf(rig.daemon[i].state, sizeof(rig.daemon[i].state), "serving");
	}
	rig.first_run_done = true;
	rig.repair_conf = (struct repair_conf){ true, 3, DUR_SEC(3600) };
	rig.run = (struct ov_run){ .number = 7, .done = true, .at = RIG_WALL, .n_reports = 1 };
	rig.run.report[0] = (struct ov_report){ .name = "ch2", .status = 200 };
}

#endif

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sfud/media/keyframe.h"

bool keyframe_want(struct keyframe *k, mono_t now)
{
	k->wanted = true;
	return keyframe_due(k, now);
}

void keyframe_seen(struct keyframe *k)
{
	k->wanted = false;
}

bool keyframe_due(struct keyframe *k, mono_t now)
{
	if (!k->wanted || (k->asked && !mono_reached(now, mono_add(k->last, KEYFRAME_GAP))))
		return false;
	k->asked = true;
	k->wanted = false;
	k->last = now;
	return true;
}

mono_t keyframe_next(const struct keyframe *k)
{
	return k->wanted ? mono_add(k->last, KEYFRAME_GAP) : MONO_NEVER;
}

/* SPDX-License-Identifier: AGPL-3.0-only */
#include "sys/curl_memory.h"

#include <curl/curl.h>

#include "t.h"

#include "rig.h"

/* What libcurl copied is on the heap while it is in use and nowhere afterwards, grown blocks included. */
static void freed_copies_are_wiped(void)
{
	struct curl_slist *list;
	CURL *easy;
	char text[9];
	bool seen;

	rig_needle(text);
	OK(curl_memory_init());
	OK(curl_memory_init());
	list = curl_slist_append(NULL, text);
	easy = curl_easy_init();
	OK(list && easy);
	EQ(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, text), CURLE_OK);
	EQ(curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "something else, and longer"), CURLE_OK);
	seen = rig_heap_has(text, 8);
#ifndef __SANITIZE_ADDRESS__
	OK(seen);
#endif
	(void)seen;
	curl_slist_free_all(list);
	curl_easy_cleanup(easy);
	OK(!rig_heap_has(text, 8));
}

/* A block that grows keeps its contents. */
static void growing_keeps_what_is_there(void)
{
	CURLU *u = curl_url();
	char long_path[3000], *path = NULL;

	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	OK(u && curl_url_set(u, CURLUPART_URL, "https://host/", 0) == CURLUE_OK);
	EQ(curl_url_set(u, CURLUPART_PATH, long_path, CURLU_URLENCODE), CURLUE_OK);
	EQ(curl_url_get(u, CURLUPART_PATH, &path, 0), CURLUE_OK);
	EQ_STR(path ? path : "", long_path);
	curl_free(path);
	curl_url_cleanup(u);
}

T_MAIN(T(freed_copies_are_wiped), T(growing_keeps_what_is_there))

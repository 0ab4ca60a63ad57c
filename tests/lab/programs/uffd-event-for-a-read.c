/* A fast pin for reading (one that may wait) has to break COW on a watched, write-protected page: the monitor must not hear of a write. */
#include "lab.h"

static char *page;

static void stay(void *argument)
{
	(void)argument;
	pause();
}

static void *reader(void *argument)
{
	pin_start(page, PAGE, PIN_READ | PIN_FAST);
	return argument;
}

static enum outcome trial(void)
{
	int uffd = uffd_open(0), heard;

	page = small_pages(1);
	uffd_watch(uffd, page, PAGE);
	child(stay, NULL);
	uffd_protect(uffd, page, PAGE, 1);
	thread(reader, NULL);
	heard = uffd_heard(uffd, 500);
	return verdict(!heard, "a pin for reading, the monitor heard %s", heard ? "a write and the pin waits" : "nothing");
}
LITMUS(main, trial)

/* A pin for reading breaks COW on a watched, write-protected page; then its owner writes: does the monitor hear it? */
#include "lab.h"

static char *page;

static void stay(void *argument)
{
	(void)argument;
	pause();
}

static void *writer(void *argument)
{
	page[0] = 'B';
	return argument;
}

static enum outcome trial(void)
{
	int uffd = uffd_open(0), heard;

	page = small_pages(1);
	uffd_watch(uffd, page, PAGE);
	child(stay, NULL);
	uffd_protect(uffd, page, PAGE, 1);
	if (pin_start(page, PAGE, PIN_READ) < 0)
		skip("pin");
	thread(writer, NULL);
	heard = uffd_heard(uffd, 500);
	return verdict(heard, "the owner wrote to a protected page, the monitor %s", heard ? "heard it" : "heard nothing");
}
LITMUS(main, trial)

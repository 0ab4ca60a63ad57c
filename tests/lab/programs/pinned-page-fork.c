/* A registered buffer, a fork whose child leaves, a write: does the device still share the page with its owner? */
#include "lab.h"

static void leave(void *argument)
{
	(void)argument;
}

static enum outcome trial(void)
{
	char *p = small_pages(1);
	struct device *device = pinned(p, PAGE);
	int seen;

	wait_child(child(leave, NULL));
	p[0] = 'B';
	seen = device_read(device, p);
	device_write(device, p + 1, 'D');
	return verdict(seen == 'B' && p[1] == 'D', "owner wrote B, device reads %c; device wrote D, owner reads %c", seen, p[1]);
}
LITMUS(main, trial)

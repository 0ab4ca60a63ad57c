/* Soft-dirty is cleared while a page is pinned; its owner writes again: does the device still share it? */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	struct device *device = pinned(p, PAGE);
	int seen;

	put_text("/proc/self/clear_refs", "4");
	p[0] = 'B';
	seen = device_read(device, p);
	return verdict(seen == 'B', "owner wrote B after clear_refs, device reads %c", seen);
}
LITMUS(main, trial)

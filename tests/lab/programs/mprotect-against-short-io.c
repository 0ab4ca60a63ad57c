/* mprotect takes the write permission of a pinned page and gives it back; its owner writes. */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	struct device *device = pinned(p, PAGE);
	int seen;

	if (mprotect(p, PAGE, PROT_READ) || mprotect(p, PAGE, PROT_READ | PROT_WRITE))
		skip("mprotect");
	p[0] = 'B';
	seen = device_read(device, p);
	device_write(device, p + 1, 'D');
	return verdict(seen == 'B' && p[1] == 'D', "owner wrote B, device reads %c; device wrote D, owner reads %c", seen, p[1]);
}
LITMUS(main, trial)

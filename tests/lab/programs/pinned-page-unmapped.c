/* Reclaim is asked for a pinned page; its owner reads and writes again: does the device still share it? */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	struct device *device = pinned(p, PAGE);
	int seen, gone;

	for (int i = 0; i < 5; i++) {
		madvise(p, PAGE, MADV_PAGEOUT);
		pause_ms(20);
	}
	gone = !(pagemap(p) & PAGEMAP_PRESENT);
	if (*(volatile char *)p != 'A')
		return verdict(0, "the owner reads %c", p[0]);
	p[0] = 'B';
	seen = device_read(device, p);
	device_write(device, p + 1, 'D');
	return verdict(seen == 'B' && p[1] == 'D', "%s; owner wrote B, device reads %c; device wrote D, owner reads %c",
		       gone ? "unmapped" : "left mapped", seen, p[1]);
}
LITMUS(main, trial)

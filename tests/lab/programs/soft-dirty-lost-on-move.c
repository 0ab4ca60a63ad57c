/* A page is written after soft-dirty was cleared, and swapped out: does the tracker still see the write? */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	int before, after;

	put_text("/proc/self/clear_refs", "4");
	before = !!(pagemap(p) & PAGEMAP_SOFT_DIRTY);
	p[0] = 'B';
	if (before || !(pagemap(p) & PAGEMAP_SOFT_DIRTY))
		skip("no soft-dirty");
	if (page_out(p))
		skip("no swap");
	after = !!(pagemap(p) & PAGEMAP_SOFT_DIRTY);
	return verdict(after, "written and swapped out: soft-dirty is %d", after);
}
LITMUS(main, trial)

/* A page is written after soft-dirty was cleared, and migrated to the other node: does the tracker still see it? */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	int after, other = !node_of(p, NULL);

	put_text("/proc/self/clear_refs", "4");
	p[0] = 'B';
	if (!(pagemap(p) & PAGEMAP_SOFT_DIRTY))
		skip("no soft-dirty");
	if (node_of(p, &other) != other)
		skip("move_pages");
	after = !!(pagemap(p) & PAGEMAP_SOFT_DIRTY);
	return verdict(after, "written and migrated: soft-dirty is %d", after);
}
LITMUS(main, trial)

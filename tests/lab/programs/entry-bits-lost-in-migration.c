/* A page is written after soft-dirty was cleared, and migrated to the other node: does the tracker still see it? */
#include "lab.h"

/* Moves a page to a node, or asks for its node if `node` is NULL; the node or a negative error comes back. */
static int node_of(void *page, int *node)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1ul, &page, node, &status, 2) ? -1 : status;
}

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

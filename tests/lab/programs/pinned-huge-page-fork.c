/* pinned-page-fork on a mapping of 2 MiB: by a PMD of transparent huge pages, and by hugetlb, whose write fault reuses
 * a page with one mapper; there the child has to stay for the damage to show. */
#include "lab.h"

static void leave(void *argument)
{
	(void)argument;
}

static void stay(void *argument)
{
	(void)argument;
	pause();
}

static enum outcome with(char *p, int stays)
{
	char *inner = p + 5 * PAGE;
	struct device *device = pinned(inner, PAGE);
	int seen;

	if (stays)
		child(stay, NULL);
	else
		wait_child(child(leave, NULL));
	inner[0] = 'B';
	seen = device_read(device, inner);
	device_write(device, inner + 1, 'D');
	return verdict(seen == 'B' && inner[1] == 'D', "owner wrote B, device reads %c; device wrote D, owner reads %c", seen,
		       inner[1]);
}

static enum outcome pmd(void)
{
	return with(huge_page(), 0);
}
LITMUS(pmd, pmd)

static enum outcome hugetlb(void)
{
	return with(hugetlb_page(), 1);
}
LITMUS(hugetlb, hugetlb)

static enum outcome hugetlb_child_leaves(void)
{
	return with(hugetlb_page(), 0);
}
LITMUS(hugetlb_child_leaves, hugetlb_child_leaves)

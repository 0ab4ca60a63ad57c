/* Ways through the kernel on which a lock matters; what the kernel itself says of them is the outcome. */
#include "lab.h"

static void leave(void *argument)
{
	(void)argument;
}

/* lock-left-held-on-one-exit: a pin for reading finds that the page needs no copy, and the next fault comes. */
static enum outcome held(void)
{
	char *p = small_pages(2);
	int pin;

	wait_child(child(leave, NULL));
	pin = pin_start(p, PAGE, PIN_READ);
	if (pin < 0)
		skip("pin");
	p[PAGE] = 'B';
	pin_stop(pin);
	return verdict(1, "pinned for reading after a fork, then a fault in the same table");
}
LITMUS(held, held)

/* page-lock-under-ptl */
static enum outcome folio_lock(void)
{
	char *p = small_pages(2);
	struct iovec from = { p + PAGE, PAGE }, to = { p, PAGE };

	if (process_vm_writev(getpid(), &from, 1, &to, 1, 0) != (ssize_t)PAGE)
		skip("process_vm_writev");
	if (madvise(p, PAGE, MADV_FREE))
		skip("MADV_FREE");
	return verdict(1, "MADV_FREE of a page that is marked dirty");
}
LITMUS(folio_lock, folio_lock)

/* mapped-walk-left-locked: KSM looks at two pages of the same content. */
static enum outcome walk(void)
{
	char *p = small_pages(2);
	long merged = 0;

	put_text("/sys/kernel/mm/ksm/pages_to_scan", "1000");
	put_text("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	put_text("/sys/kernel/mm/ksm/run", "1");
	if (madvise(p, 2 * PAGE, MADV_MERGEABLE))
		skip("KSM");
	for (int i = 0; i < 200 && !merged; i++) {
		pause_ms(20);
		merged = PAGEMAP_PFN(pagemap(p)) == PAGEMAP_PFN(pagemap(p + PAGE));
	}
	if (!merged)
		return verdict(0, "KSM did not come back");
	p[0] = 'B';
	return verdict(p[PAGE] == 'A', "merged, one of the two written: the other reads %c", p[PAGE]);
}
LITMUS(walk, walk)

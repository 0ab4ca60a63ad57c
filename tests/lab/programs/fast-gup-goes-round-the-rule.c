/* Rules that the slow path of GUP keeps: does the fast path keep them too? */
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

/* Arm a: a fast pin for reading on a page shared with a child that stays. */
static enum outcome shared(void)
{
	char *p = small_pages(1), *copy = small_pages(1);
	int pin;

	child(stay, NULL);
	pin = pin_start(p, PAGE, PIN_READ | PIN_FAST);
	if (pin < 0)
		skip("pin");
	p[0] = 'B';
	pin_read(pin, copy);
	return verdict(copy[0] == 'B', "owner wrote B, the pin reads %c", copy[0]);
}
LITMUS(unshare, shared)

/* Arm b: the first pin of a process is a fast one; a fork and a write follow. */
static enum outcome flag(void)
{
	char *p = small_pages(1), *copy = small_pages(1);
	int pin = pin_start(p, PAGE, PIN_READ | PIN_WRITE | PIN_FAST);

	if (pin < 0)
		skip("pin");
	wait_child(child(leave, NULL));
	p[0] = 'B';
	pin_read(pin, copy);
	return verdict(copy[0] == 'B', "owner wrote B, the pin reads %c", copy[0]);
}
LITMUS(flag, flag)

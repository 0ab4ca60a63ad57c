/* A long-term pin for reading on a page that an earlier fork left write-protected, then a write by its owner. */
#include "lab.h"

static void leave(void *argument)
{
	(void)argument;
}

static enum outcome with(int flags)
{
	char *p = small_pages(1), *copy = small_pages(1);
	int pin;

	wait_child(child(leave, NULL));
	pin = pin_start(p, PAGE, flags);
	if (pin < 0)
		skip("pin");
	p[0] = 'B';
	pin_read(pin, copy);
	return verdict(copy[0] == 'B', "owner wrote B, the pin reads %c", copy[0]);
}

static enum outcome trial(void)
{
	return with(PIN_READ);
}
LITMUS(main, trial)

static enum outcome written(void)
{
	return with(PIN_READ | PIN_WRITE);
}
LITMUS(write, written)

/* A buffer that is mapped for reading only is offered to a device for writing. */
#include "lab.h"

static enum outcome trial(void)
{
	char *p = small_pages(1);
	struct device device;

	if (device_open(&device))
		skip("io_uring");
	if (mprotect(p, PAGE, PROT_READ))
		skip("mprotect");
	if (device_pin(&device, p, PAGE))
		return verdict(1, "a read-only buffer is refused: %s", strerror(errno));
	device_write(&device, p, 'D');
	return verdict(0, "a read-only buffer is taken; device wrote D, owner reads %c", p[0]);
}
LITMUS(main, trial)

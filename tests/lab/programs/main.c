/* As process 1 of the lab's machine: sets it up and runs the trials named in `programs=`. Otherwise: runs those named
 * on the command line, on the kernel at hand. One line for each run: LAB <name> <run> <outcome> <what was seen>. */
#include "lab.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/utsname.h>
#include <time.h>

static struct litmus *all;
static int out = 1;
static int limit_s = 20;
static const char *edit;
#define EDIT "/sys/module/mmlint_lab/parameters/edit"

void register_litmus(struct litmus *litmus, const char *file, const char *id)
{
	char *name = strdup(strrchr(file, '/') ? strrchr(file, '/') + 1 : file), *dot = strrchr(name, '.');

	if (dot)
		*dot = 0;
	if (strcmp(id, "main") && asprintf(&name, "%s.%s", name, id) < 0)
		abort();
	litmus->name = name;
	litmus->next = all;
	all = litmus;
}

static void line(const char *format, ...)
{
	char text[512];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	text[length++] = '\n';
	if (write(out, text, length) < 0)
		_exit(3);
}

static const char *current_name;
static int current_run;

enum outcome says(enum outcome outcome, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line("LAB %s %d %s %s", current_name, current_run, outcome == HOLDS ? "holds" : outcome == BREAKS ? "breaks" : "skip",
	     text);
	return outcome;
}

void skip(const char *what)
{
	int error = errno;

	says(SKIP, "%s: %s", what, strerror(error));
	_exit(SKIP);
}

/* A trial in a process of its own, which throws the switch itself, so that nothing else of ours runs before. One that does not end within the limit hangs; it is left behind if it must be. */
static void run(const struct litmus *litmus, int count)
{
	int status = 0, waited = 0;
	pid_t pid;

	current_name = litmus->name;
	current_run = count;
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		if (edit)
			put_text(EDIT, edit);
		_exit(litmus->trial());
	}
	for (waited = 0; waited < limit_s * 50; waited++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		pause_ms(20);
	}
	if (edit)
		put_text(EDIT, "none");
	kill(-pid, SIGKILL);
	if (waited == limit_s * 50) {
		line("LAB %s %d hang no end within %d s", litmus->name, count, limit_s);
		for (waited = 0; waited < 50 && waitpid(pid, &status, WNOHANG) != pid; waited++)
			pause_ms(20);
	} else if (WIFSIGNALED(status)) {
		line("LAB %s %d killed signal %d", litmus->name, count, WTERMSIG(status));
	}
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
}

static int run_all(const char *names, int runs)
{
	char *rest = strdup(names);
	int found = 0;

	for (char *name; (name = strsep(&rest, ","));)
		for (struct litmus *litmus = all; litmus; litmus = litmus->next)
			if (!strcmp(litmus->name, name) || !strcmp(name, "all")) {
				found++;
				line("LAB %s begin", litmus->name);
				for (int i = 0; i < runs; i++)
					run(litmus, i);
				line("LAB %s end", litmus->name);
			}
	return found ? 0 : 2;
}

static void swap_on(const char *file)
{
	union {
		char bytes[4096];
		struct {
			char boot[1024];
			uint32_t version, last_page, bad_pages;
		} head;
	} page = { 0 };
	int fd = open(file, O_RDWR);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

	if (size <= 0)
		return;
	page.head.version = 1;
	page.head.last_page = size / 4096 - 1;
	memcpy(page.bytes + 4096 - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, &page, sizeof(page), 0) == sizeof(page) && !fsync(fd))
		swapon(file, 0);
	close(fd);
}

static void mount_at(const char *type, const char *where)
{
	mkdir(where, 0755);
	mount(type, where, type, 0, NULL);
}

static void machine(void)
{
	struct utsname name;
	const char *runs = getenv("runs"), *limit = getenv("limit");

	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tmpfs", "/tmp");
	out = open("/dev/kmsg", O_WRONLY);
	if (limit)
		limit_s = atoi(limit);
	swap_on("/dev/ram0");
	uname(&name);
	edit = getenv("edit");
	if (edit && (!*edit || !strcmp(edit, "none")))
		edit = NULL;
	line("LAB kernel %s edit=%s", name.release, edit ? edit : "none");
	run_all(getenv("programs") ? getenv("programs") : "all", runs ? atoi(runs) : 1);
	line("LAB done");
	reboot(RB_AUTOBOOT);
}

int main(int argc, char **argv)
{
	if (getpid() == 1) {
		machine();
		for (;;)
			pause();
	}
	if (argc < 2) {
		for (struct litmus *litmus = all; litmus; litmus = litmus->next)
			puts(litmus->name);
		return 0;
	}
	return run_all(argv[1], argc > 2 ? atoi(argv[2]) : 1);
}

/* Memory, pins, processes: what the trials are made of. */
#include "lab.h"

#include <linux/io_uring.h>
#include <linux/userfaultfd.h>

const size_t PAGE = 4096;

char *small_pages(size_t count)
{
	char *p = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		skip("mmap");
	madvise(p, count * PAGE, MADV_NOHUGEPAGE);
	memset(p, 'A', count * PAGE);
	return p;
}

char *lowest_page(void)
{
	char *p = mmap((void *)0x10000, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		skip("mmap");
	p[0] = 'A';
	return p;
}

char *huge_page(void)
{
	size_t size = 2ul << 20;
	char *p = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		skip("mmap");
	p = (char *)(((uintptr_t)p + size - 1) & ~(size - 1));
	if (madvise(p, size, MADV_HUGEPAGE))
		skip("MADV_HUGEPAGE");
	memset(p, 'A', size);
	if (counter("/proc/self/smaps_rollup", "AnonHugePages") < 2048)
		skip("no huge page");
	return p;
}

char *hugetlb_page(void)
{
	char *p;

	put_text("/proc/sys/vm/nr_hugepages", "8");
	p = mmap(NULL, 2ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		skip("MAP_HUGETLB");
	memset(p, 'A', 2ul << 20);
	return p;
}

static uint64_t word_at(const char *file, uint64_t index)
{
	uint64_t word = 0;
	int fd = open(file, O_RDONLY);

	if (fd < 0 || pread(fd, &word, sizeof(word), index * sizeof(word)) != sizeof(word))
		skip(file);
	close(fd);
	return word;
}

uint64_t pagemap_of(pid_t pid, const void *address)
{
	char file[64];

	snprintf(file, sizeof(file), "/proc/%d/pagemap", pid);
	return word_at(file, (uintptr_t)address / PAGE);
}

uint64_t pagemap(const void *address)
{
	return pagemap_of(getpid(), address);
}

uint64_t page_flags(uint64_t pfn)
{
	return word_at("/proc/kpageflags", pfn);
}

long counter(const char *file, const char *name)
{
	char line[256];
	size_t length = strlen(name);
	long value = -1;
	FILE *stream = fopen(file, "r");

	while (stream && fgets(line, sizeof(line), stream))
		if (!strncmp(line, name, length) && (line[length] == ' ' || line[length] == ':'))
			value = atol(line + length + 1);
	if (stream)
		fclose(stream);
	if (value < 0)
		skip(name);
	return value;
}

void put_text(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		skip(file);
	close(fd);
}

int page_out(void *address)
{
	for (int i = 0; i < 50; i++) {
		madvise(address, PAGE, MADV_PAGEOUT);
		if (pagemap(address) & PAGEMAP_SWAP)
			return 0;
		pause_ms(20);
	}
	return -1;
}

int node_of(void *page, int *node)
{
	int status = -1;

	return syscall(SYS_move_pages, 0, 1ul, &page, node, &status, 2) ? -1 : status;
}

int device_open(struct device *d)
{
	struct io_uring_params p = { 0 };
	char *sq, *cq;

	d->ring = syscall(SYS_io_uring_setup, 8, &p);
	if (d->ring < 0 || pipe(d->to) || pipe(d->from))
		return -1;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, d->ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED,
		  d->ring, IORING_OFF_CQ_RING);
	d->sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED, d->ring,
		       IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || d->sqes == MAP_FAILED)
		return -1;
	d->sq_tail = (unsigned *)(sq + p.sq_off.tail);
	d->sq_mask = (unsigned *)(sq + p.sq_off.ring_mask);
	d->sq_array = (unsigned *)(sq + p.sq_off.array);
	d->cq_head = (unsigned *)(cq + p.cq_off.head);
	d->cq_tail = (unsigned *)(cq + p.cq_off.tail);
	d->cq_mask = (unsigned *)(cq + p.cq_off.ring_mask);
	d->cqes = cq + p.cq_off.cqes;
	return 0;
}

int device_pin(struct device *d, void *address, size_t length)
{
	struct iovec iov = { address, length };

	return syscall(SYS_io_uring_register, d->ring, IORING_REGISTER_BUFFERS, &iov, 1);
}

int device_unpin(struct device *d)
{
	return syscall(SYS_io_uring_register, d->ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

static int transfer(struct device *d, int op, int fd, void *address)
{
	unsigned tail = *d->sq_tail, index = tail & *d->sq_mask;
	struct io_uring_sqe *sqe = (struct io_uring_sqe *)d->sqes + index;
	struct io_uring_cqe *cqe;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op;
	sqe->fd = fd;
	sqe->off = -1;
	sqe->addr = (uintptr_t)address;
	sqe->len = 1;
	d->sq_array[index] = index;
	__atomic_store_n(d->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, d->ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	if (__atomic_load_n(d->cq_tail, __ATOMIC_ACQUIRE) == *d->cq_head)
		return -EAGAIN;
	cqe = (struct io_uring_cqe *)d->cqes + (*d->cq_head & *d->cq_mask);
	__atomic_store_n(d->cq_head, *d->cq_head + 1, __ATOMIC_RELEASE);
	return cqe->res;
}

int device_write(struct device *d, char *address, char value)
{
	return write(d->to[1], &value, 1) == 1 ? transfer(d, IORING_OP_READ_FIXED, d->to[0], address) : -errno;
}

int device_read(struct device *d, char *address)
{
	unsigned char value;
	int result = transfer(d, IORING_OP_WRITE_FIXED, d->from[1], address);

	return result == 1 && read(d->from[0], &value, 1) == 1 ? value : -1;
}

struct device *pinned(void *address, size_t length)
{
	static struct device device;

	if (device_open(&device))
		skip("io_uring");
	if (device_pin(&device, address, length))
		skip("registered buffers");
	return &device;
}

struct pin_longterm_test {
	uint64_t addr, size;
	uint32_t flags;
};
#define PIN_LONGTERM_TEST_START _IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP _IO('g', 8)
#define PIN_LONGTERM_TEST_READ _IOW('g', 9, uint64_t)

int pin_start(void *address, size_t length, int flags)
{
	struct pin_longterm_test pin = { (uintptr_t)address, length, flags };
	int file = open("/sys/kernel/debug/gup_test", O_RDWR);

	if (file < 0)
		skip("gup_test");
	return ioctl(file, PIN_LONGTERM_TEST_START, &pin) ? -1 : file;
}

void pin_read(int file, void *to)
{
	uint64_t address = (uintptr_t)to;

	if (ioctl(file, PIN_LONGTERM_TEST_READ, &address))
		skip("PIN_LONGTERM_TEST_READ");
}

void pin_stop(int file)
{
	ioctl(file, PIN_LONGTERM_TEST_STOP);
	close(file);
}

int uffd_open(unsigned long features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features | UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	int uffd = syscall(SYS_userfaultfd, O_NONBLOCK | O_CLOEXEC);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
		skip("userfaultfd");
	return uffd;
}

void uffd_watch(int uffd, void *address, size_t length)
{
	struct uffdio_register range = { { (uintptr_t)address, length }, UFFDIO_REGISTER_MODE_WP, 0 };

	if (ioctl(uffd, UFFDIO_REGISTER, &range))
		skip("UFFDIO_REGISTER_MODE_WP");
}

void uffd_protect(int uffd, void *address, size_t length, int on)
{
	struct uffdio_writeprotect range = { { (uintptr_t)address, length }, on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	if (ioctl(uffd, UFFDIO_WRITEPROTECT, &range))
		skip("UFFDIO_WRITEPROTECT");
}

int uffd_heard(int uffd, int ms)
{
	struct uffd_msg msg;

	while (poll(&(struct pollfd){ uffd, POLLIN, 0 }, 1, ms) == 1)
		if (read(uffd, &msg, sizeof(msg)) == sizeof(msg) && msg.event == UFFD_EVENT_PAGEFAULT)
			return 1;
	return 0;
}

pid_t child(void (*body)(void *), void *argument)
{
	pid_t pid = fork();

	if (pid < 0)
		skip("fork");
	if (!pid) {
		body(argument);
		_exit(0);
	}
	return pid;
}

int wait_child(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

void window(const void *address)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu", (unsigned long)address);
	put_text("/sys/module/mmlint_lab/parameters/address", text);
}

void pause_ms(int ms)
{
	usleep(ms * 1000);
}

pthread_t thread(void *(*body)(void *), void *argument)
{
	pthread_t t;

	if (pthread_create(&t, NULL, body, argument))
		skip("pthread_create");
	return t;
}

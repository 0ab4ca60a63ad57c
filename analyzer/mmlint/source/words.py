"""Annotation words of the kernel that tell a parser of C nothing it can use."""

from __future__ import annotations

import re

from mmlint.source.balance import PARENS
from mmlint.source.mask import blank

PLAIN = frozenset(
    b"""
    __init __exit __initdata __initconst __exitdata __init_memblock __initdata_memblock __initdata_or_meminfo
    __init_or_module __initdata_or_module __initconst_or_module __init_or_acpilib __initdata_or_acpilib
    __meminit __meminitdata __meminitconst __memexit __ref __refdata __refconst __cpuinit __cpuinitdata __devinit
    __devinitdata __devexit __net_init __net_exit __net_initdata __head __init_margin __init_refok
    __user __kernel __iomem __percpu __rcu __force __nocast __bitwise __bitwise__ __safe __private __arena __kptr
    __kptr_untrusted __percpu_kptr __seg_gs __seg_fs __percpu_seg_override
    __must_check __always_inline __always_unused __maybe_unused __used __unused __cold __hot __weak __pure
    __attribute_const__ __read_mostly __ro_after_init __packed __deprecated __malloc __noreturn __visible __flatten
    __noclone __gnu_inline __function_aligned __nostackprotector __no_stack_protector __externally_visible
    __cacheline_aligned __cacheline_aligned_in_smp ____cacheline_aligned ____cacheline_aligned_in_smp
    ____cacheline_internodealigned_in_smp __page_aligned_data __page_aligned_bss __aligned_largest __designated_init
    __randomize_layout __no_randomize_layout __latent_entropy __data_racy __nonstring __transparent_union
    __kprobes __sched __lockfunc __irq_entry __softirq_entry __exception_irq_entry __entry_text __cpuidle __scs
    __no_sanitize_address __no_sanitize_memory __no_sanitize_undefined __no_sanitize_thread __no_sanitize_coverage
    __no_kasan_or_inline __no_kcsan __no_kcsan_or_inline __no_kmsan_checks __no_sanitize_or_inline __no_kstack_erase
    __no_caller_saved_registers __no_profile __no_ubsan __noendbr __nocfi __noscs __noinitretpoline __noretpoline
    __noinline __noinline_for_stack __nokprobe_inline __inittest __exittest __no_instrument_function__
    __bpf_kfunc __bpf_hook_start __bpf_kfunc_start_defs __bpf_kfunc_end_defs __ksym __weak_hidden __diag_push
    __tracing_text __noinstr_section __intrinsic __extension__ __inline __inline__ __pgd_pgtable __pi_init
    __amigappc __restrict __restrict__ __refok __sramdata __nosavedata __early_init __percpu_qual
    __noinitconst __xipram __cpuinitconst __read_mostly_ __sched_fork __naked __noprofile __notrace_funcgraph
    __volatile__ __const __const__ __label__ __gnu_inline__ __no_reorder
    """.split()
)

_CALLED = rb"""
    __attribute__ __attribute __releases __acquires __releases_shared __acquires_shared __must_hold __must_not_hold
    __must_hold_shared __cond_acquires __cond_acquires_shared __cond_releases __cond_lock_returns __printf __scanf
    __aligned __section __alias __alloc_size __realloc_size __assume_aligned __counted_by __counted_by_le
    __counted_by_be __sized_by __element_count __free __cleanup __guarded_by __pt_guarded_by __guarded_var
    __compiletime_error __compiletime_warning __mode __nonnull __no_sanitize __symbol __copy __context_unsafe
    __no_context_analysis __excludes_ctx_lock __exclusive_locks_required __declspec __gcc_attr __align_to __attr
    __error_code __btf_type_tag __btf_decl_tag __zalloc_size __format_arg __format __alloc_align
    __aligned_k __init_section
"""

_CALLED_TAILS = b"|".join(sorted((word.removeprefix(b"__") for word in _CALLED.split()), reverse=True))
WORD = re.compile(rb"_(?<![\w.]_)(?<!->_)_(?:(?P<called>" + _CALLED_TAILS + rb")\s*+" + PARENS + rb"|\w++)")
"""Words with two leading underscores: annotations where the group `called` took part, or if listed in `PLAIN`."""
UNPREFIXED = re.compile(
    rb"\b(?:noinline(?:_for_stack)?|notrace|noinstr|nokprobe_inline|asmlinkage|fastcall|ATTRIBUTE_UNUSED)\b"
)
"""Annotation words without underscores, which stand in function headers."""


def _annotation(match: re.Match[bytes]) -> bytes:
    found = match[0]
    return blank(found) if found in PLAIN or match["called"] else found


def without_annotations(text: bytes) -> bytes:
    """`text` (masked) with its annotations blanked."""
    return WORD.sub(_annotation, text) if b"__" in text else text

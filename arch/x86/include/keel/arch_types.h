/* SPDX-License-Identifier: GPL-2.0 */
/*
 * arch_types.h - x86's part of struct keel_vm and struct keel_vcpu
 *
 * Data only. Who may touch what is said by the file that owns it: each group
 * below names it.
 */
#ifndef KEEL_ARCH_TYPES_H
#define KEEL_ARCH_TYPES_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/seqlock.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/pvclock-abi.h>
#include <keel/core.h>
#include <keel/emul.h>
#include <keel/mtrr.h>

/* plain.c */
struct keel_plain {
	u64 code[EMUL_PLAIN_BYTES / sizeof(u64)];	/* last decoded, */
	bool known;					/* to a plain one: */
	struct emul_plain insn;
	struct emul_plain waits;	/* whose access userspace completes, */
	u64 rip;			/* linear, if the guest did not move */
};

/* Index into keel_vcpu_arch.regs, in encoding order. */
enum keel_reg {
	KEEL_RAX, KEEL_RCX, KEEL_RDX, KEEL_RBX, KEEL_RSP, KEEL_RBP, KEEL_RSI, KEEL_RDI,
	KEEL_R8, KEEL_R9, KEEL_R10, KEEL_R11, KEEL_R12, KEEL_R13, KEEL_R14, KEEL_R15,
	KEEL_RIP, KEEL_NR_REGS
};

/* Requests of x86, from KEEL_REQ_ARCH on: vcpu.h includes this, so vcpu.c compares the two. */
enum {
	KEEL_REQ_EVENT = 8,	/* look whether something can be injected */
	KEEL_REQ_APIC_TIMER,	/* the APIC timer's hrtimer fired */
	KEEL_REQ_NMI,		/* arch.nmi_queued is not 0 */
	KEEL_REQ_CLOCK,		/* write kvmclock into the guest */
	KEEL_REQ_STEAL,		/* write steal time */
	KEEL_REQ_TRIPLE_FAULT,
	KEEL_REQ_SCAN_IOAPIC,	/* recompute which EOIs matter */
	KEEL_REQ_IOAPIC_EOI,	/* split irqchip: tell userspace */
	KEEL_REQ_MASTERCLOCK,	/* recompute the VM's time base */
	KEEL_REQ_INTERCEPTS,	/* debug, CPUID or APIC mode changed what is intercepted */
	KEEL_REQ_MIGRATE_TIMER,
};

struct keel_exception {
	bool pending;		/* decided, not yet given to the CPU */
	bool injected;		/* given to the CPU; the exit may say it was not delivered */
	bool has_error;
	bool has_payload;	/* CR2 or DR6 is not yet updated (KVM_CAP_EXCEPTION_PAYLOAD) */
	u8 vector;
	u8 insn_len;		/* as in keel_event */
	u32 error;
	u64 payload;
};

/* mmio.c: the accesses one emulated instruction has made so far */
/* two 32 byte operands, cut into 8 byte pieces, and both sides of a page */
#define KEEL_MMIO_FRAGS	16
struct keel_mmio_frag {
	gpa_t gpa;
	u8 len;
	bool write, done;
	u8 data[8];
};

struct keel_mmio {
	u64 rip;		/* linear; another one at completion: the log is void */
	unsigned int nr;	/* recorded; the last one may wait for userspace */
	unsigned int next;	/* replayed so far in this run of the emulator */
	struct keel_mmio_frag frag[KEEL_MMIO_FRAGS];
};

/* emulate.c: one instruction's state; nothing of it outlives the call */
struct keel_emul {
	struct emul_ctxt ctxt;
	struct emul_segment seg[EMUL_NR_SEGS];	/* as loaded */
};

/* pio.c: a port access that userspace completes, or, for the emulator, that is answered */
struct keel_pio {
	u16 port;
	u8 size;		/* 1, 2, 4 */
	u8 insn_len;		/* not string: as the exit told it */
	bool in;
	bool pending;		/* string: userspace is to be asked */
	bool done;		/* string: answered; INS takes from pio_data, at pos */
	bool taken;		/* string: this iteration's item is in data, */
	bool used;		/* and the emulator has had it */
	u16 count, pos;		/* string: items left, bytes taken */
	u64 rip;		/* linear; the exit is over only if the guest did not move */
	u8 data[4];		/* string: the item */
};

struct keel_apic;		/* irqchip/apic.c */
struct keel_cpuid;		/* cpuid.c: table of entries, hashed */

/* tsc.c: guest TSC = host TSC * tsc_scaling + tsc_offset. The vCPU thread, loaded. */
struct keel_tsc {
	u64 generation;		/* of the VM's TSC this vCPU belongs to */
	u64 base_ns, base;	/* the TSC it should have had at a boot time of the host */
	u64 host_shift_seen;	/* host TSC correction that the backend's offset includes */
	bool stale;		/* the backend has not been told of the offset yet */
};

struct keel_pvclock {		/* pvclock.c, steal.c; the vCPU thread */
	u64 msr;		/* KVM_SYSTEM_TIME value, bit 0 enable */
	gpa_t gpa;
	struct pvclock_vcpu_time_info info;	/* as last written, */
	s64 offset;		/* with this kvmclock_offset */
	u64 written_ns;		/* host boot time then */
	bool stopped;		/* (any) tell the guest that it was paused */
	int cpu;		/* that it was last loaded on */
	u64 steal_msr;		/* KVM_STEAL_TIME value, bit 0 enable */
	u64 last_steal;		/* run delay of the task, accounted for */
	bool preempted;		/* the guest's flag is set */
};

/* How much of the APIC the hardware virtualizes, apicv.c. */
enum keel_apicv_mode {
	KEEL_APICV_NONE,	/* no such hardware, or not for this VM */
	KEEL_APICV_EMULATED,	/* delivery alone: registers are emulated, or there is no APIC */
	KEEL_APICV_XAPIC,
	KEEL_APICV_X2APIC,
};

enum keel_given { KEEL_GIVEN_NONE, KEEL_GIVEN_EXCEPTION, KEEL_GIVEN_NMI, KEEL_GIVEN_IRQ };

struct keel_vcpu_arch {
	/*
	 * Registers. regs[] holds what avail says; dirty ones are written back
	 * before entry. regs.c; backends fill them by .cache_reg.
	 */
	u64 regs[KEEL_NR_REGS];
	u64 cr0, cr2, cr3, cr4, cr8, efer;
	u64 xcr0, xss, pkru;
	unsigned long avail, dirty;	/* bit n: enum keel_reg, or enum keel_reg_group */

	u64 db[4], dr6, dr7;		/* guest's; debug.c */
	u64 eff_db[4];			/* userspace debugging replaces them */
	u64 guest_debug_dr7;
	u32 guest_debug;		/* KVM_GUESTDBG_* */
	bool dr_loaded;			/* guest's DR0-3 are in the CPU */
	bool one_entry;			/* run.c: this turn has no second one */

	/* event.c */
	struct keel_exception exception;
	atomic_t nmi_queued;		/* by anyone; taken at KEEL_REQ_NMI */
	u8 nmi_pending;			/* vCPU thread */
	bool nmi_injected;
	enum keel_given given;		/* what the next entry injects, */
	bool exit_soon;			/* and ends right behind it, for there is more */
	bool in_delivery;		/* the last exit interrupted the delivery of an event */
	struct {
		bool injected;
		u8 vector;
	} irq;
	int user_irq;			/* KVM_INTERRUPT vector or -1 */
	u32 mp_state;			/* KVM_MP_STATE_* */
	bool unhalted;			/* kicked by a hypercall: the next HLT does not wait */

	/* emulation: pio.c, mmio.c, plain.c */
	struct keel_emul emul;
	struct keel_mmio mmio;
	struct keel_pio pio;
	struct keel_plain plain;

	/* fpu.c */
	struct fpu_guest fpu;

	/* cpuid.c */
	struct keel_cpuid *cpuid;
	u64 features;			/* bit n: enum keel_guest_feature */
	bool pv_enforced;		/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	u8 maxphyaddr;
	u64 cr4_reserved;		/* bits the guest may not set */
	u64 xcr0_supported;
	u64 efer_reserved;

	/* msr.c, mce.c */
	struct keel_mtrr mtrr;
	u64 pat;
	u64 misc_enable, tsc_aux, spec_ctrl, arch_capabilities, platform_info;
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 *mce_banks;			/* 4 per bank */
	u64 smi_count, smbase;
	u64 hwcr, power_ctl, misc_features, ucode_rev, osvw_length, osvw_status;
	u64 pv_poll;

	/* tsc.c, pvclock.c, steal.c */
	u64 tsc_offset, tsc_adjust, tsc_scaling;	/* scaling: ratio as the backend takes it */
	u64 last_tsc;			/* the host's when last put, suspends included */
	u32 tsc_khz;			/* the guest's */
	struct keel_tsc tsc;
	struct keel_pvclock clock;

	/* irqchip/ */
	struct keel_apic *apic;		/* NULL: userspace has the APIC */
	enum keel_apicv_mode apicv_mode;
	u64 exit_at_tsc;		/* host TSC at which the guest's run ends; 0: never */
	void *apicv_regs;		/* page of registers that the hardware works on, or NULL */
	u64 apic_base;			/* only without an in-kernel APIC */
	bool request_irq_window;	/* userspace's, as read at KVM_RUN */
	bool irq_window_open;		/* what kvm_run says */

	/* mmu/: s2_vm.c, fault.c */
	void *table_cache[8];		/* zeroed pages for tables, filled before mmu_lock */
	unsigned int nr_table_cache;
	struct keel_gtlb *gtlb;		/* gtlb.c: walks of the guest's own tables, */
	u64 gtlb_generation;		/* of the memslots that its addresses are by */

	int last_cpu;			/* of the last entry */
};

struct keel_irqchip;		/* irqchip/irqchip.c: PICs and IOAPIC */
struct keel_pit_dev;		/* irqchip/irqchip.c */
struct keel_apic_map;		/* irqchip/apic_map.c */
struct stage2;			/* mmu/stage2.h */

enum keel_irqchip_mode { KEEL_IRQCHIP_NONE, KEEL_IRQCHIP_KERNEL, KEEL_IRQCHIP_SPLIT };

struct keel_vm_arch {
	enum keel_irqchip_mode irqchip_mode;	/* (l), then constant */
	struct keel_irqchip *irqchip;		/* (l), then constant: KERNEL only */
	struct keel_pit_dev *pit;		/* (l), then constant */
	struct keel_apic_map __rcu *apic_map;	/* apic_map.c */
	bool apicv;				/* (l), then constant */
	bool apicv_page_off;			/* (m) never again */
	hpa_t apicv_page;			/* (l), then constant; at the APICs' address */
	struct mutex apic_map_lock;
	atomic_t apic_map_dirty;
	u32 split_pins;				/* (l) routes reserved for the userspace IOAPIC */
	bool x2apic_format, x2apic_no_broadcast_quirk;	/* KVM_CAP_X2APIC_API, (a) */
	u32 bsp_vcpu_id;			/* (l) */
	u64 disabled_quirks;			/* (l) written; see keel_guest_quirk() */
	gpa_t tss_addr, identity_map_addr;	/* (l) stored; unused with unrestricted guest */
	unsigned long nr_mmu_pages;		/* (a) KVM_SET_NR_MMU_PAGES: stored, unused */

	struct stage2 *s2;			/* mmu/, (m) */
	u64 mark_tables;			/* (m) linked for marks alone */
	bool log_writes;			/* (a) the hardware logs for some slot */

	/* tsc.c: (t) tsc_lock, innermost. A generation is a set of vCPUs with one TSC. */
	raw_spinlock_t tsc_lock;
	u64 last_tsc_nsec, last_tsc_write, last_tsc_offset;	/* (t) the last write */
	u32 last_tsc_khz;					/* (t) */
	u32 default_tsc_khz;					/* (a) */
	u64 tsc_generation, tsc_base_ns, tsc_base;		/* (t) the newest generation, */
	unsigned int tsc_generation_nr;				/* (t) vCPUs in it */

	/* pvclock.c: (k) clock_lock, inside vcpu->mutex */
	struct mutex clock_lock;
	/* (k) one time base for all vCPUs; a hint without */
	bool master_clock;
	bool old_kvmclock;			/* (a) the first vCPU uses the old MSR */
	u64 master_kernel_ns, master_cycle_now;	/* (k) host time and host TSC at one moment */
	s64 kvmclock_offset;			/* (k) added to host time: guest's boot is 0 */
	u64 wall_clock_msr;			/* (a) */
};

#endif

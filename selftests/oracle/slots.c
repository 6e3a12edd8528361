// SPDX-License-Identifier: GPL-2.0
/*
 * slots.c - which opcodes the emulator's tables say it has
 */
#include "oracle.h"

#define MAX_SLOTS	2048

struct slot *slots;
unsigned int nr_slots;

static bool slot_emulated(const struct emul_opcode *op)
{
	return op->exec && op->exec != exec_unhandled;
}

static void slot_add(const struct emul_insn *i, unsigned int reg, const struct emul_opcode *op,
		     u16 flags)
{
	if (!slot_emulated(op) || nr_slots == MAX_SLOTS)
		return;
	slots[nr_slots++] = (struct slot){
		.vex = i->vex, .map = i->map, .opcode = i->opcode, .reg = reg,
		.movbe = op->exec == exec_movbe, .row = op, .flags = flags | op->flags,
	};
}

static void slot_row(const struct emul_insn *i)
{
	const struct emul_opcode *op = emul_opcode_row(i);
	unsigned int reg;

	if (!op->group) {
		slot_add(i, NO_GROUP, op, 0);
		return;
	}
	for (reg = 0; reg < 8; reg++)
		slot_add(i, reg, &op->group[reg], op->flags);
}

static void slot_map(enum emul_vex vex, unsigned int map)
{
	struct emul_insn i = { .vex = vex, .map = map };
	unsigned int op;

	for (op = 0; op < 256; op++) {
		i.opcode = op;
		slot_row(&i);
	}
}

const char *slot_name(const struct slot *s, char *buf, size_t len)
{
	static const char *const maps[] = { "", "0f ", "0f38 ", "0f3a " };
	static const char *const kinds[] = { "", "vex ", "xop ", "evex " };
	int n = snprintf(buf, len, "%s%s%02x", kinds[s->vex & 3], s->map < 4 ? maps[s->map] : "? ",
			 s->opcode);

	if (s->reg != NO_GROUP)
		snprintf(buf + n, len - n, " /%u", s->reg);
	return buf;
}

static bool slots_check(void)
{
	bool good = nr_slots > 300 && nr_slots < MAX_SLOTS;
	char name[32];
	unsigned int i;

	for (i = 0; i < nr_slots; i++) {
		if (flags_known(&slots[i]))
			continue;
		comment("%s: no rule in flags.c", slot_name(&slots[i], name, sizeof(name)));
		good = false;
	}
	return good;
}

bool slots_init(void)
{
	unsigned int map;

	slots = shared_memory(MAX_SLOTS * sizeof(*slots));
	nr_slots = 0;
	for (map = MAP_ONE; map <= MAP_0F3A; map++)
		slot_map(VEX_NO, map);
	for (map = 0; map < 32; map++) {
		slot_map(VEX_VEX, map);
		slot_map(VEX_XOP, map);
		slot_map(VEX_EVEX, map);
	}
	return slots_check();
}

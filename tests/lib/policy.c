/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/lib/policy.h"

static int add(scmp_filter_ctx filter, const struct policy_rule *r)
{
	if (!r->mask)
		return seccomp_rule_add(filter, r->action, r->call, 0);
	return seccomp_rule_add(filter, r->action, r->call, 1,
				SCMP_CMP(r->argument, SCMP_CMP_MASKED_EQ,
					 r->mask, r->value));
}

/* Root needs no promise, and set-uid programs work on without it. */
static int load(scmp_filter_ctx filter)
{
	int ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);

	if (!ret && !seccomp_load(filter))
		return 0;
	ret = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
	return ret ? ret : seccomp_load(filter);
}

static int load_rules(const struct policy_rule *rules, uint32_t all_threads)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int ret = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC,
					    all_threads) : -ENOMEM;

	for (int i = 0; i < POLICY_RULES && rules[i].call && !ret; i++)
		ret = add(filter, &rules[i]);
	if (!ret)
		ret = load(filter);
	if (filter)
		seccomp_release(filter);
	return ret;
}

int policy_load(const struct policy_rule *rules)
{
	return load_rules(rules, 1);
}

int policy_load_here(const struct policy_rule *rules)
{
	return load_rules(rules, 0);
}

# SPDX-License-Identifier: MIT
# UMB_LIBURCU: liburcu from 0.13 on: headers, and liburcu-common to link with;
# which of its pkg-config files there are to stand in for.
AC_DEFUN([UMB_LIBURCU], [
	umb_missing="liburcu 0.13 or later is needed: install liburcu-dev (Debian, Ubuntu), userspace-rcu-devel (Fedora), or liburcu (Arch, openSUSE: liburcu-devel)"
	AC_CHECK_HEADERS([urcu/flavor.h urcu/call-rcu.h urcu/map/clear.h urcu/map/urcu-memb.h urcu/pointer.h urcu/static/urcu-common.h],
		[], [AC_MSG_ERROR([$umb_missing ($ac_header not found)])],
		[[#include <stdbool.h>	/* in 0.14 and 0.15 flavor.h wants it */]])
	AC_CHECK_LIB([urcu-common], [cds_wfcq_init], [],
		[AC_MSG_ERROR([$umb_missing (liburcu-common not found)])])
	LIBS=
	AC_SUBST([URCU_COMMON_LIBS], [-lurcu-common])
	umb_liburcu_version=`$PKG_CONFIG --modversion liburcu 2>/dev/null || echo unknown`
	AS_IF([test "$umb_liburcu_version" != unknown],
		[PKG_CHECK_EXISTS([liburcu >= 0.13], [],
			[AC_MSG_ERROR([$umb_missing (found $umb_liburcu_version)])])])
	AC_SUBST([URCU_VERSION], [$umb_liburcu_version])
	AC_SUBST([URCU_CFLAGS], [`$PKG_CONFIG --cflags-only-I liburcu 2>/dev/null`])
	AC_SUBST([URCU_LDFLAGS], [`$PKG_CONFIG --libs-only-L liburcu 2>/dev/null`])
	AM_CONDITIONAL([HAVE_LIBURCU_PC], [test "$umb_liburcu_version" != unknown])
	umb_have_memb_pc=no
	PKG_CHECK_EXISTS([liburcu-memb], [umb_have_memb_pc=yes])
	AM_CONDITIONAL([HAVE_LIBURCU_MEMB_PC], [test $umb_have_memb_pc = yes])

	dnl For tests of the flavour under its data structures.
	AC_CHECK_HEADER([urcu/cds.h],
		[AC_CHECK_LIB([urcu-cds], [cds_lfht_destroy],
			[umb_have_cds=yes], [umb_have_cds=no], [-lurcu-common])],
		[umb_have_cds=no])
	AM_CONDITIONAL([HAVE_URCU_CDS], [test $umb_have_cds = yes])
])

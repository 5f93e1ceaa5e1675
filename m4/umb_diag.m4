# SPDX-License-Identifier: MIT
# UMB_DIAG: --enable-rcu-debug, and static probes where their header is there.
AC_DEFUN([UMB_DIAG], [
	AC_ARG_ENABLE([rcu-debug],
		[AS_HELP_STRING([--enable-rcu-debug],
			[look for mistakes in the use of the library, and in it])],
		[], [enable_rcu_debug=no])
	UMB_DEBUG_CPPFLAGS=
	AS_IF([test "$enable_rcu_debug" = yes], [UMB_DEBUG_CPPFLAGS=-DUMB_DEBUG])
	AC_SUBST([UMB_DEBUG_CPPFLAGS])
	dnl In older C libraries dladdr() has one of its own.
	AC_SEARCH_LIBS([dladdr], [dl])
	AC_CHECK_HEADER([sys/sdt.h], [umb_have_sdt=yes], [umb_have_sdt=no])
	AC_SUBST([UMB_HAVE_SDT], [$umb_have_sdt])
])

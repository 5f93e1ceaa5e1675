# SPDX-License-Identifier: MIT
# UMB_SECCOMP: libseccomp, for tests that refuse system calls.
AC_DEFUN([UMB_SECCOMP], [
	AC_CHECK_HEADER([seccomp.h],
		[AC_CHECK_LIB([seccomp], [seccomp_init],
			[umb_have_seccomp=yes], [umb_have_seccomp=no])],
		[umb_have_seccomp=no])
	AS_IF([test $umb_have_seccomp = yes],
		[AC_SUBST([SECCOMP_CPPFLAGS], [-DHAVE_SECCOMP])
		AC_SUBST([SECCOMP_LIBS], [-lseccomp])])
	AM_CONDITIONAL([HAVE_SECCOMP], [test $umb_have_seccomp = yes])
])

# SPDX-License-Identifier: MIT
# UMB_CFLAGS: C11, warnings, and --enable-werror.
AC_DEFUN([UMB_CFLAGS], [
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [make warnings errors])],
		[], [enable_werror=no])
	UMB_WARNINGS="-Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -Wpointer-arith"
	UMB_CXX_WARNINGS="-Wall -Wextra"
	AS_IF([test "$enable_werror" = yes], [
		UMB_WARNINGS="$UMB_WARNINGS -Werror"
		UMB_CXX_WARNINGS="$UMB_CXX_WARNINGS -Werror"
	])
	AC_SUBST([UMB_WARNINGS])
	AC_SUBST([UMB_CXX_WARNINGS])

	AC_MSG_CHECKING([for -Wl,-z,nodelete])
	umb_saved_ldflags=$LDFLAGS
	LDFLAGS="$LDFLAGS -Wl,-z,nodelete"
	AC_LINK_IFELSE([AC_LANG_PROGRAM()], [AC_MSG_RESULT([yes])],
		[AC_MSG_ERROR([the linker must know -z nodelete: the library cannot be unloaded while threads exit through it])])
	LDFLAGS=$umb_saved_ldflags
])

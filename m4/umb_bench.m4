# SPDX-License-Identifier: MIT
# UMB_BENCH: what the installed machine has to compare with. Nothing here is
# needed to build the library.
AC_DEFUN([UMB_FLAVOUR], [
	AC_CHECK_HEADER([urcu/urcu-$1.h],
		[AC_CHECK_LIB([urcu-$1], [urcu_$1_synchronize_rcu],
			[umb_have_$1=yes], [umb_have_$1=no], [-lurcu-common])],
		[umb_have_$1=no])
	AM_CONDITIONAL([HAVE_URCU_]m4_toupper([$1]), [test $umb_have_$1 = yes])
	AS_IF([test $umb_have_$1 = yes], [umb_flavours="${umb_flavours}$1 "])
])
AC_DEFUN([UMB_BENCH], [
	umb_flavours=
	UMB_FLAVOUR([memb])
	UMB_FLAVOUR([mb])
	UMB_FLAVOUR([qsbr])
	UMB_FLAVOUR([bp])
	UMB_FLAVOUR([signal])
	AC_CHECK_HEADER([ck_epoch.h],
		[AC_CHECK_LIB([ck], [ck_epoch_init],
			[umb_have_ck=yes], [umb_have_ck=no])],
		[umb_have_ck=no])
	AM_CONDITIONAL([HAVE_CK], [test $umb_have_ck = yes])
	AC_CHECK_HEADER([lmdb.h],
		[AC_CHECK_LIB([lmdb], [mdb_env_create],
			[umb_have_lmdb=yes], [umb_have_lmdb=no])],
		[umb_have_lmdb=no])
	AM_CONDITIONAL([HAVE_LMDB], [test $umb_have_lmdb = yes])
])

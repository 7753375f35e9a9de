//! Names of errors.

use bumpalo::{Bump, format};

/// The name of the errno in a system call's result; `success` for a result that is no error.
pub(super) fn name<'a>(result: i64, success: &'static str, arena: &'a Bump) -> &'a str {
    if result >= 0 {
        return success;
    }
    let number = i32::try_from(-result).unwrap_or(i32::MAX);
    match NAMES.iter().find(|(n, _)| *n == number) {
        Some((_, name)) => name,
        None => format!(in arena, "{}", result).into_bump_str(),
    }
}

/// The result of a system call, from its name: that of an errno, or `SUCCESS`.
pub(super) fn number(name: &str) -> Option<i64> {
    if name == "SUCCESS" {
        return Some(0);
    }
    let mut names = NAMES.iter();
    let (number, _) = names.find(|(_, known)| *known == name)?;
    Some(-i64::from(*number))
}

macro_rules! names {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

/// The errnos of Linux, the frequent ones first.
static NAMES: &[(i32, &str)] = names!(
    ENOENT EINPROGRESS ECONNREFUSED EACCES EPERM ENOEXEC EFAULT E2BIG ENETUNREACH EHOSTUNREACH
    ETIMEDOUT EAGAIN EINTR EBADF EINVAL EISCONN EALREADY EADDRNOTAVAIL EADDRINUSE EAFNOSUPPORT
    ENOTSOCK ENOTDIR EISDIR ELOOP ENAMETOOLONG ENOMEM ETXTBSY ELIBBAD EMFILE ENFILE EIO EPROTOTYPE
    ECONNRESET ECONNABORTED EPIPE ENOBUFS ENOTCONN ENETDOWN EHOSTDOWN ENETRESET EDESTADDRREQ
    EMSGSIZE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT ESHUTDOWN
    ETOOMANYREFS ESTALE EDQUOT ESRCH ENXIO ECHILD ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTTY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EDOM ERANGE EDEADLK ENOLCK ENOSYS ENOTEMPTY ENOMSG EIDRM ECHRNG
    EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT
    EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO
    EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBSCN ELIBMAX ELIBEXEC
    EILSEQ ERESTART ESTRPIPE EUSERS EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO ENOMEDIUM EMEDIUMTYPE
    ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL
    EHWPOISON
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_names() {
        let arena = Bump::new();
        assert_eq!(name(0, "SUCCESS", &arena), "SUCCESS");
        assert_eq!(name(-2, "SUCCESS", &arena), "ENOENT");
        assert_eq!(name(-115, "0", &arena), "EINPROGRESS");
        assert_eq!(name(-9999, "0", &arena), "-9999");
    }

    #[test]
    fn names_are_results() {
        assert_eq!(number("SUCCESS"), Some(0));
        assert_eq!(number("ENOENT"), Some(-2));
        assert_eq!(number("ENOSUCH"), None);
    }
}

//! 32-bit programs, which connect by `connect` or by `socketcall`.
#![cfg(target_arch = "x86_64")]

use std::process::Command;

use serde_json::json;
use tests::{Act, connects::check, elf, programs::alone};

/// Where the code begins, with the address first: a jump over it.
const CODE: u32 = 0x0040_0054;

/// A program that makes a TCP socket and connects it to 127.0.0.1:81.
fn program(socketcall: bool) -> Vec<u8> {
    let mut code = vec![
        0xeb, 16, // jmp over the address
        2, 0, 0, 81, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, // sockaddr_in
        0x6a, 0, 0x6a, 1, 0x6a, 2, // push 0 (protocol), SOCK_STREAM, AF_INET
        0x89, 0xe1, // mov ecx, esp
        0xbb, 1, 0, 0, 0, // mov ebx, SYS_SOCKET
        0xb8, 102, 0, 0, 0, // mov eax, socketcall
        0xcd, 0x80, // int 0x80
    ];
    let [a, b, c, d] = (CODE + 2).to_le_bytes();
    if socketcall {
        code.extend([
            0x6a, 16, // push the address's length
            0x68, a, b, c, d,    // push the address
            0x50, // push eax, the socket
            0x89, 0xe1, // mov ecx, esp
            0xbb, 3, 0, 0, 0, // mov ebx, SYS_CONNECT
            0xb8, 102, 0, 0, 0, // mov eax, socketcall
            0xcd, 0x80, // int 0x80
        ]);
    } else {
        code.extend([
            0x89, 0xc3, // mov ebx, eax
            0xb9, a, b, c, d, // mov ecx, the address
            0xba, 16, 0, 0, 0, // mov edx, its length
            0xb8, 0x6a, 1, 0, 0, // mov eax, connect (362)
            0xcd, 0x80, // int 0x80
        ]);
    }
    elf::i386_after(&code)
}

fn check_program(socketcall: bool) {
    let dir = tempfile::tempdir().expect("the test set this up");
    let trial = dir.path().join("trial");
    tests::programs::write(&trial, &elf::i386());
    if alone(|| Command::new(&trial).status()).is_err() {
        eprintln!("this kernel runs no 32-bit programs: nothing to see");
        return;
    }
    check(
        |scene| {
            let program = scene.executable("connect32", program(socketcall));
            Act::new().exec(program, ["c"])
        },
        |connects| {
            let event = connects.one();
            event.assert_fields(&json!({
                "proc.name": "connect32", "proc.pid": connects.pid,
                "fd.sip": "127.0.0.1", "fd.sport": 81, "fd.l4proto": "tcp",
            }));
            // Perf tracepoints skip 32-bit calls: there the sensor sees the attempt, and not its
            // result.
            let result = match connects.hooks {
                "perf" => "EINPROGRESS",
                _ => "ECONNREFUSED",
            };
            assert_eq!(event.text("evt.res"), result);
        },
    );
}

#[test]
fn socketcall_is_seen() {
    check_program(true);
}

#[test]
fn a_32_bit_connect_is_seen() {
    check_program(false);
}

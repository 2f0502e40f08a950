//! What goes over a connection, byte by byte: written by hand, so that it can also be written wrongly,
//! or in part.

use super::link::End;

/// The opcodes.
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// The key with which a client masks: any will do.
const MASK: [u8; 4] = [0x17, 0x2a, 0x00, 0xff];

/// One whole frame.
pub(super) fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    let mask_bit = if masked { 0x80 } else { 0 };
    match payload.len() {
        length @ 0..=125 => frame.push(mask_bit | length as u8),
        length @ 126..=0xffff => {
            frame.push(mask_bit | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(mask_bit | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend(MASK);
        let masked = payload.iter().zip(MASK.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend(payload);
    }
    frame
}

/// A close frame.
pub(super) fn close(code: u16, masked: bool) -> Vec<u8> {
    frame(CLOSE, &code.to_be_bytes(), masked)
}

/// The code and the reason of a close frame.
pub(super) fn code_and_reason(payload: &[u8]) -> (u16, String) {
    match payload {
        [high, low, reason @ ..] => (
            u16::from_be_bytes([*high, *low]),
            String::from_utf8_lossy(reason).into_owned(),
        ),
        _ => (1005, String::new()),
    }
}

/// The first whole frame in `bytes`, taken out of them: opcode and payload, unmasked.
pub(super) fn take_frame(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (mut at, length) = match second & 0x7f {
        126 => (
            4,
            u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(),
        ),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let mask: [u8; 4] = if second & 0x80 == 0 {
        [0; 4]
    } else {
        at += 4;
        bytes.get(at - 4..at)?.try_into().ok()?
    };
    let end = at + usize::try_from(length).ok()?;
    let payload = bytes.get(at..end)?.iter().zip(mask.iter().cycle());
    let payload = payload.map(|(byte, mask)| byte ^ mask).collect();
    bytes.drain(..end);
    Some((first & 0x0f, payload))
}

/// A request or an answer up to its empty line, taken out of `bytes`.
pub(super) fn take_head(bytes: &mut Vec<u8>) -> Option<String> {
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let rest = bytes.split_off(end + 4);
    let head = std::mem::replace(bytes, rest);
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// The value of a header field, by its name in lower case.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .find(|(it, _)| it.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Reads what has come; false at the end of the connection.
pub(super) async fn read_more(end: &End, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut chunk = [0; 4096];
    let mut chunk = tokio::io::ReadBuf::new(&mut chunk);
    std::future::poll_fn(|cx| end.poll_read_into(cx, &mut chunk)).await?;
    bytes.extend_from_slice(chunk.filled());
    Ok(!chunk.filled().is_empty())
}

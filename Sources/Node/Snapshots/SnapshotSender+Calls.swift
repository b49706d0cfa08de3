// One member's call: the offer, then chunks as fast as they are taken, as the rate allows and as
// the spool grows. A call that is cut is opened again after a pause, and goes on where the receiver
// says.

import API
import Consensus
import Storage

/// What is heard of a call, for the transfer it belongs to.
private final class TransferEvents: SnapshotCallEvents {
    private let sender: SnapshotSender
    private let member: MemberID
    private let attempt: Int

    init(_ sender: SnapshotSender, _ member: MemberID, _ attempt: Int) {
        self.sender = sender
        self.member = member
        self.attempt = attempt
    }

    func received(_ message: [UInt8]) {
        sender.assumeIsolated { sender in
            guard let transfer = sender.transfer(member, attempt) else { return }
            sender.received(SnapshotMessage(decoding: message), transfer)
        }
    }

    func ended() {
        sender.assumeIsolated { sender in
            guard let transfer = sender.transfer(member, attempt) else { return }
            transfer.call = nil
            sender.retry(transfer)
        }
    }
}

extension SnapshotSender {
    /// The transfer to `member`, if `attempt` is its present call.
    func transfer(_ member: MemberID, _ attempt: Int) -> SnapshotTransfer? {
        guard let transfer = transfers[member], transfer.attempt == attempt else { return nil }
        return transfer
    }

    func openCall(_ transfer: SnapshotTransfer) {
        guard case .begun(let offer) = transfer.state else { return }
        transfer.attempt += 1
        transfer.fruitless += 1
        transfer.isStreaming = false
        transfer.heard = executor.now
        let call = lane.open(
            to: transfer.member, TransferEvents(self, transfer.member, transfer.attempt))
        transfer.call = call
        call.send(offer.encoded)
        watch(transfer, transfer.attempt)
    }

    /// Cuts a call on which nothing is heard.
    private func watch(_ transfer: SnapshotTransfer, _ attempt: Int) {
        let member = transfer.member
        executor.schedule(afterNanoseconds: settings.silenceNanoseconds) { [weak self] in
            self?.assumeIsolated { sender in
                guard let transfer = sender.transfer(member, attempt) else { return }
                let silence = sender.executor.now.nanoseconds(since: transfer.heard)
                if silence < sender.settings.silenceNanoseconds {
                    sender.watch(transfer, attempt)
                } else {
                    sender.retry(transfer)
                }
            }
        }
    }

    fileprivate func retry(_ transfer: SnapshotTransfer) {
        transfer.call?.end()
        transfer.call = nil
        transfer.attempt += 1
        guard transfer.fruitless < settings.maximumAttempts else {
            return fail(transfer, "the call was cut \(transfer.fruitless) times")
        }
        let (first, longest) = settings.retryNanoseconds
        let pause = min(longest, first << UInt64(min(transfer.fruitless, 16)))
        let (member, attempt) = (transfer.member, transfer.attempt)
        executor.schedule(afterNanoseconds: pause) { [weak self] in
            self?.assumeIsolated { sender in
                sender.transfer(member, attempt).map(sender.openCall)
            }
        }
    }

    // MARK: Answers

    fileprivate func received(_ message: SnapshotMessage?, _ transfer: SnapshotTransfer) {
        transfer.heard = executor.now
        switch message {
        case .due(let number): takenBefore(Int(number), transfer)
        case .done:
            guard let shared, shared.isWhole, transfer.sent == shared.chunks else {
                return fail(transfer, "the receiver has what was not sent")
            }
            finish(transfer)
        case .refused(.busy): retry(transfer)
        case .refused(let reason):
            fail(transfer, "refused: \(reason)", mayRepeat: reason == .notNeeded)
        case .offer, .chunk, nil: fail(transfer, "the receiver's answer cannot be read")
        }
    }

    private func takenBefore(_ number: Int, _ transfer: SnapshotTransfer) {
        let last = transfer.isStreaming ? transfer.sent : shared?.chunks ?? 0
        guard number <= last, number >= transfer.taken || !transfer.isStreaming else {
            return fail(transfer, "the receiver has what was not sent")
        }
        if number > transfer.taken { transfer.fruitless = 0 }
        transfer.taken = number
        if !transfer.isStreaming {
            transfer.isStreaming = true
            transfer.sent = number
        }
        pump(transfer)
    }

    // MARK: Chunks

    /// Sends what may be sent now.
    func pump(_ transfer: SnapshotTransfer) {
        guard transfer.isStreaming, let shared, let spool = shared.spool else { return }
        let end = min(shared.chunks, transfer.taken + SnapshotMessage.windowChunks)
        while transfer.sent < end {
            let wait = bucket.wait(executor.now)
            guard wait == 0 else { return pump(transfer, afterNanoseconds: wait) }
            read(transfer.sent, of: spool, for: transfer)
            transfer.sent += 1
            bucket.take(SnapshotMessage.contentBytes)
        }
    }

    private func pump(_ transfer: SnapshotTransfer, afterNanoseconds wait: UInt64) {
        guard !transfer.isPumpComing else { return }
        transfer.isPumpComing = true
        let member = transfer.member
        executor.schedule(afterNanoseconds: wait) { [weak self] in
            self?.assumeIsolated { sender in
                guard let transfer = sender.transfers[member] else { return }
                transfer.isPumpComing = false
                sender.pump(transfer)
            }
        }
    }

    private func read(_ number: Int, of spool: SnapshotSpool, for transfer: SnapshotTransfer) {
        let (member, attempt, executor) = (transfer.member, transfer.attempt, executor)
        spool.read(chunk: number) { [weak self] chunk in
            executor.post { [weak self] in
                self?.assumeIsolated { sender in
                    guard let transfer = sender.transfer(member, attempt) else { return }
                    sender.send(chunk, to: transfer)
                }
            }
        }
    }

    private func send(
        _ chunk: Result<[UInt8], SnapshotError>, to transfer: SnapshotTransfer
    ) {
        switch chunk {
        case .success(let bytes):
            transfer.bytes += UInt64(bytes.count)
            transfer.call?.send(SnapshotMessage.chunk(bytes).encoded)
        case .failure(let error):
            fail(transfer, "\(error)")
        }
    }
}

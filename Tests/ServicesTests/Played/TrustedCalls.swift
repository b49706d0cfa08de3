// Calls of the services by nobody in particular, for tests that are not about users.

import API

@testable import Services

extension KVService {
    func put(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        put(bytes, as: .nobody, reply)
    }
    func deleteRange(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        deleteRange(bytes, as: .nobody, reply)
    }
    func compact(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        compact(bytes, as: .nobody, reply)
    }
    func range(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        range(bytes, as: .nobody, reply)
    }
    func rangeStream(
        _ bytes: UnsafeRawBufferPointer, _ call: any MessageTaking
    ) -> RangeStreamCall? { rangeStream(bytes, as: .nobody, call) }
    func txn(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        txn(bytes, as: .nobody, reply)
    }
}

extension LeaseService {
    func grant(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        grant(bytes, as: .nobody, reply)
    }
    func revoke(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        revoke(bytes, as: .nobody, reply)
    }
    func timeToLive(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        timeToLive(bytes, as: .nobody, reply)
    }
    func list(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        list(bytes, as: .nobody, reply)
    }
}

extension MaintenanceService {
    func alarm(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        alarm(bytes, as: .nobody, reply)
    }
}

extension LockService {
    @discardableResult
    func lock(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) -> Candidacy? {
        lock(bytes, as: .nobody, reply)
    }
    func unlock(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        unlock(bytes, as: .nobody, reply)
    }
}

extension ElectionService {
    @discardableResult
    func campaign(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) -> Candidacy? {
        campaign(bytes, as: .nobody, reply)
    }
    func proclaim(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        proclaim(bytes, as: .nobody, reply)
    }
    func resign(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        resign(bytes, as: .nobody, reply)
    }
    func leader(_ bytes: UnsafeRawBufferPointer, _ reply: any Replying) {
        leader(bytes, as: .nobody, reply)
    }
}

extension WatchHub {
    func create(_ order: WatchOrder, on stream: WatchStream) {
        create(order, on: stream, as: .nobody)
    }
}

extension RenewalGate {
    func renew(_ lease: LeaseID, for receiver: any RenewalReceiver) -> Bool {
        renew(lease, as: .nobody, for: receiver)
    }
}

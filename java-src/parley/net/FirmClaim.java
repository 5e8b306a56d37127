package parley.net;

/** A request that cannot be withdrawn. */
final class FirmClaim<T> implements Claim<T> {
    private final Receiver<T> receiver;

    FirmClaim(Receiver<T> receiver) {
        this.receiver = Errors.need("claim", "the receiver", receiver,
                "one to tell what came of it");
    }

    @Override
    public boolean isActive() {
        return true;
    }

    @Override
    public boolean mayLapse() {
        return false;
    }

    @Override
    public boolean mayWait() {
        return true;
    }

    @Override
    public void lock() {
        // Nobody else decides about it.
    }

    @Override
    public void unlock() {
        // As lock.
    }

    @Override
    public Receiver<T> commit() {
        return receiver;
    }
}

package parley.net;

/**
 * What a status set has to do about the life of its members' sources, on the threads that wake or
 * close them: the rest it learns as the members' observer.
 */
final class FlushingOwner implements Poller.Owner {
    static final FlushingOwner INSTANCE = new FlushingOwner();

    private FlushingOwner() {
    }

    @Override
    public void wake(Registration registration) {
        // The member's observer tells the set what it has to know.
    }

    @Override
    public void sourceClosed(Registration registration) {
        registration.poller.flush();
    }
}

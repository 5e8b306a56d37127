package parley.net;

import java.util.concurrent.atomic.AtomicBoolean;

/** One object in one status set. */
final class Member implements Pollable.Observer {
    static final int NOWHERE = -1;

    final Pollable object;
    private final News news;

    final AtomicBoolean queued = new AtomicBoolean(); // is in the news
    Member next; // below it there; written by the thread that has set queued

    // The rest is the set's user's own.
    Direction direction;
    Registration registration;
    SocketStatus status = SocketStatus.NONE; // as of the last check
    int place = NOWHERE; // among the actionable ones
    int ready; // what the kernel has reported in this round
    boolean touched; // is to be evaluated
    boolean gone; // has left the set

    Member(Pollable object, Direction direction, News news) {
        this.object = object;
        this.direction = direction;
        this.news = news;
    }

    @Override
    public void changed(Pollable changed) {
        news.tell(this);
    }
}

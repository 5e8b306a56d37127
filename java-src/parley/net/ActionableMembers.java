package parley.net;

import java.util.Arrays;
import java.util.function.BiConsumer;

/**
 * The members of a {@link StatusSet} that the last check found actionable. For the thread that uses
 * the set. Allocates only to grow.
 */
final class ActionableMembers {
    private Member[] members = new Member[8]; // null where one was removed since the check
    private int end; // how many places are in use, null ones included
    private int count;

    int count() {
        return count;
    }

    void add(Member member, SocketStatus status) {
        member.status = status;
        if (end == members.length) {
            members = Arrays.copyOf(members, end * 2);
        }
        member.place = end;
        members[end++] = member;
        count++;
    }

    /** Removes a member; does nothing when it is not in. */
    void remove(Member member) {
        if (member.place != Member.NOWHERE) {
            members[member.place] = null;
            member.place = Member.NOWHERE;
            count--;
        }
    }

    void clear() {
        for (int i = 0; i < end; i++) {
            Member member = members[i];
            if (member != null) {
                member.status = SocketStatus.NONE;
                member.place = Member.NOWHERE;
                members[i] = null;
            }
        }
        end = 0;
        count = 0;
    }

    /**
     * Returns the member of an object, also one that has left the set in the last check, or null.
     */
    Member find(Pollable object) {
        for (int i = 0; i < end; i++) {
            if (members[i] != null && members[i].object.equals(object)) {
                return members[i];
            }
        }
        return null;
    }

    /** Visits the members; the visitor may add and remove some. */
    void forEach(BiConsumer<? super Pollable, SocketStatus> visitor) {
        for (int i = end - 1; i >= 0; i--) {
            Member member = i < end ? members[i] : null;
            if (member != null) {
                visitor.accept(member.object, member.status);
            }
        }
    }
}

package parley.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Says of a class that its cases are about streams whatever they are over, so that each {@link
 * EveryCase} which names no kinds of socket runs over {@link Family#HANDLE} and under TLS besides.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
public @interface OverHandlesToo {
}

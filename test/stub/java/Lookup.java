import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.Security;

/**
 * Lookup any|ipv4|ipv6 NAME: asks InetAddress as an ordinary Java program does, with its cache off, and prints each
 * address in a line, or "error" and how the lookup failed. A JVM has no lookup of one family: ipv4 is to be asked of one
 * that was started with -Djava.net.preferIPv4Stack=true, and ipv6 is what is left of both.
 */
public final class Lookup {
    public static void main(String[] args) {
        if (args.length != 2 || !args[0].matches("any|ipv4|ipv6")) {
            System.err.println("usage: Lookup any|ipv4|ipv6 NAME");
            System.exit(2);
        }
        Security.setProperty("networkaddress.cache.ttl", "0");
        Security.setProperty("networkaddress.cache.negative.ttl", "0");
        try {
            for (InetAddress a : InetAddress.getAllByName(args[1])) {
                if (args[0].equals("any") || args[0].equals("ipv4") == (a instanceof Inet4Address)) {
                    System.out.println(a.getHostAddress());
                }
            }
        } catch (UnknownHostException e) {
            System.out.println("error UnknownHostException" + e.getMessage().substring(e.getMessage().indexOf(':')));
        }
    }
}

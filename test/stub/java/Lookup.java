import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.Security;

/**
 * Lookup any|ipv4|ipv6 NAME [PAUSE]: asks InetAddress as an ordinary Java program does, with its cache off, and prints
 * each address in a line, or "error" and how the lookup failed. With a PAUSE, in milliseconds, it goes on asking, and
 * ends each answer with an empty line. A JVM has no lookup of one family: ipv4 is to be asked of one that was started
 * with -Djava.net.preferIPv4Stack=true, and ipv6 is what is left of both.
 */
public final class Lookup {
    public static void main(String[] args) throws InterruptedException {
        if (args.length < 2 || args.length > 3 || !args[0].matches("any|ipv4|ipv6")) {
            System.err.println("usage: Lookup any|ipv4|ipv6 NAME [PAUSE]");
            System.exit(2);
        }
        Security.setProperty("networkaddress.cache.ttl", "0");
        Security.setProperty("networkaddress.cache.negative.ttl", "0");
        lookup(args[0], args[1]);
        while (args.length == 3) {
            System.out.println();
            if (System.out.checkError()) {
                System.exit(1); // nobody reads it any more
            }
            Thread.sleep(Long.parseLong(args[2]));
            lookup(args[0], args[1]);
        }
    }

    private static void lookup(String family, String name) {
        try {
            for (InetAddress a : InetAddress.getAllByName(name)) {
                if (family.equals("any") || family.equals("ipv4") == (a instanceof Inet4Address)) {
                    System.out.println(a.getHostAddress());
                }
            }
        } catch (UnknownHostException e) {
            System.out.println("error UnknownHostException" + e.getMessage().substring(e.getMessage().indexOf(':')));
        }
    }
}

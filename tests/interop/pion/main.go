// SPDX-License-Identifier: AGPL-3.0-only

// Two clients of pion/turn that reach each other through the server under test: first by its relayed addresses (hairpin), each with
// a permission for the other's; payloads of many sizes go one way and come back turned round. Prints "MODE N payloads".
//
//	pion -server ADDR:PORT -mode udp|tcp|tls|dtls -user NAME -password WORD -from IP,IP
package main

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/turn/v4"
)

// dial returns the connection that carries TURN messages, as pion/turn wants it for that transport.
func dial(mode, server, from string) net.PacketConn {
	ip := net.ParseIP(from)
	udp, err := net.ResolveUDPAddr("udp", server)
	check(err)
	switch mode {
	case "udp":
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
		check(err)
		return c
	case "dtls":
		raw, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
		check(err)
		c, err := dtls.Client(raw, udp, &dtls.Config{InsecureSkipVerify: true})
		check(err)
		return turn.NewSTUNConn(c)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: 5 * time.Second}
	c, err := d.Dial("tcp", server)
	check(err)
	if mode == "tls" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return turn.NewSTUNConn(c)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func allocate(mode, server, user, password, from string) (*turn.Client, net.PacketConn) {
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Username: user, Password: password,
		Conn: dial(mode, server, from),
	})
	check(err)
	check(c.Listen())
	relay, err := c.Allocate()
	check(err)
	return c, relay
}

// receive is the next payload that reaches a relayed address; the address of its sender has to be the other one.
func receive(on net.PacketConn, other net.Addr) []byte {
	b := make([]byte, 2048)
	check(on.SetReadDeadline(time.Now().Add(5 * time.Second)))
	n, from, err := on.ReadFrom(b)
	check(err)
	if from.String() != other.String() {
		log.Fatalf("from %v, not %v", from, other)
	}
	return b[:n]
}

func main() {
	server := flag.String("server", "", "")
	mode := flag.String("mode", "udp", "")
	user := flag.String("user", "", "")
	password := flag.String("password", "", "")
	from := flag.String("from", "", "two addresses of ours")
	flag.Parse()
	ips := strings.Split(*from, ",")
	a, one := allocate(*mode, *server, *user, *password, ips[0])
	b, two := allocate(*mode, *server, *user, *password, ips[1])
	check(a.CreatePermission(two.LocalAddr()))
	check(b.CreatePermission(one.LocalAddr()))
	count := 0
	for n := 1; n < 1200; n += 13 {
		sent := bytes.Repeat([]byte{byte(n)}, n)
		_, err := one.WriteTo(sent, two.LocalAddr())
		check(err)
		got := receive(two, one.LocalAddr())
		_, err = two.WriteTo(append([]byte("back "), got...), one.LocalAddr())
		check(err)
		if !bytes.Equal(receive(one, two.LocalAddr()), append([]byte("back "), sent...)) {
			log.Fatalf("%d bytes did not come back as they were", n)
		}
		count++
	}
	check(one.Close())
	check(two.Close())
	a.Close()
	b.Close()
	fmt.Printf("%s %d payloads\n", *mode, count)
}

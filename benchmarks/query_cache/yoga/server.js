// The same feed, answered by GraphQL Yoga with its response cache. Prints its port; ends when its standard input does.
import { createServer } from 'node:http';
import { useResponseCache } from '@graphql-yoga/plugin-response-cache';
import { createSchema, createYoga } from 'graphql-yoga';

const typeDefs = /* GraphQL */ `
  type Author { id: ID! name: String! }
  type Post { id: ID! body: String! createdAt: String! author: Author! }
  type Query { feed(userId: Int!, first: Int! = 20): [Post!]! }
`;
const posts = (userId, first) =>
  Array.from({ length: first }, (_, number) => ({
    id: String(userId * 1000 + number),
    body: `Post ${number} of ${userId}: ` + 'x'.repeat(60),
    createdAt: '2025-01-01T00:00:00+00:00',
    author: { id: String(number), name: `User ${number}` },
  }));
const resolvers = { Query: { feed: (_, { userId, first }) => posts(userId, first) } };
const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  plugins: [useResponseCache({ session: () => null, ttl: 3_600_000 })],
  graphiql: false,
  logging: false,
});
const server = createServer(yoga);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

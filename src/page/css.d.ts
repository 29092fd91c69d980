/** Taken in by the bundler, which makes one style sheet of all. */
declare module "*.css";
